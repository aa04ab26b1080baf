//! Metric values and targets as HPA holds them: integers in thousandths. Owns the only conversion from floating point.

use std::fmt;

/// An integer number of thousandths, the unit of every metric value and target
/// (HPA keeps `resource.Quantity.MilliValue()`). Arithmetic saturates; there is no NaN and no infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Milli(i64);

impl Milli {
    /// The largest value: what overflow saturates to.
    pub const MAX: Self = Self(i64::MAX);

    /// `thousandths` / 1000.
    #[must_use]
    pub const fn new(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// The value in thousandths.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// A finite number, rounded away from zero to the next thousandth as a Kubernetes quantity is; saturates at the limits of `i64`.
    /// `None` for NaN and the infinities: those are no numbers to scale by.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // float to int casts saturate, and NaN was handled
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let thousandths = value * 1000.0;
        // A product such as 0.1 * 3 * 1000 carries binary dust; what is within it of an integer is that integer.
        let nearest = thousandths.round();
        let rounded = if (thousandths - nearest).abs() <= nearest.abs() * 1e-12 {
            nearest
        } else if thousandths > 0.0 {
            thousandths.ceil()
        } else {
            thousandths.floor()
        };
        Some(Self(rounded as i64))
    }

    /// The value as floating point, in units (not thousandths). Exact up to 2^53 thousandths.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Sum that saturates at the limits of `i64`.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Kubernetes' canonical decimal form without large suffixes: `612m`, `100`, `-1500m`.
impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_away_from_zero_but_for_binary_dust() {
        let table = [
            (0.0, 0),
            (1.0, 1000),
            (-1.0, -1000),
            (0.1 * 3.0, 300),
            (1.2341, 1235),
            (-1.2341, -1235),
            (0.000_001, 1),
            (-0.000_001, -1),
            (123_456.789, 123_456_789),
            (1e300, i64::MAX),
            (-1e300, i64::MIN),
        ];
        for (value, thousandths) in table {
            assert_eq!(Milli::from_f64(value), Some(Milli::new(thousandths)), "{value}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Milli::from_f64(value), None, "{value}");
        }
    }

    #[test]
    fn sums_saturate_and_text_is_a_quantity() {
        assert_eq!(Milli::MAX.saturating_add(Milli::new(1)), Milli::MAX);
        assert_eq!(Milli::new(2).saturating_add(Milli::new(-5)), Milli::new(-3));
        assert!((Milli::new(-1500).to_f64() + 1.5).abs() < 1e-12);
        let texts = [(612, "612m"), (100_000, "100"), (-1500, "-1500m"), (0, "0")];
        for (thousandths, text) in texts {
            assert_eq!(Milli::new(thousandths).to_string(), text);
        }
    }
}
