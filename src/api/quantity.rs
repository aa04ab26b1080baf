//! Kubernetes quantities (`100`, `500m`, `2k`, `1Gi`) as exact thousandths. Owns the one parser of them; must not use floating point
//! to read a number, since a target of `0.1` has to mean exactly 100 thousandths.

mod canonical;
mod schema;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::engine::Milli;

pub use canonical::Suffixes;
pub use schema::QUANTITY_PATTERN;
pub(super) use schema::{fraction_schema, target_schema};

/// Longest text of a quantity. At this length the parser's 128-bit arithmetic is exact wherever the result fits into [`Milli`].
pub const MAX_QUANTITY_LENGTH: usize = 32;

/// A quantity as it stands in a manifest. Kept as text until it is used, so that one bad quantity cannot make a whole list unreadable;
/// integers and numbers are taken as text too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// Why a text is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Longer than [`MAX_QUANTITY_LENGTH`].
    #[error("is longer than {MAX_QUANTITY_LENGTH} characters")]
    TooLong,
    /// Not a number with one of Kubernetes' suffixes.
    #[error("is not a quantity such as 100, 0.5, 500m, 2k or 1Gi")]
    Syntax,
}

impl QuantityError {
    /// The CamelCase word for conditions and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        "InvalidQuantity"
    }
}

/// A quantity taken apart: `(-1)^negative · mantissa · 10^exponent · 2^binary`.
struct Parts {
    negative: bool,
    mantissa: i128,
    exponent: i32,
    binary: u32,
}

impl Quantity {
    /// The value in thousandths, rounded away from zero as `resource.Quantity.MilliValue()` does, saturating at the limits of `i64`.
    ///
    /// # Errors
    /// If the text is no quantity.
    pub fn to_milli(&self) -> Result<Milli, QuantityError> {
        let parts = Parts::parse(&self.0)?;
        let magnitude = i64::try_from(parts.scaled(3)).unwrap_or(i64::MAX);
        Ok(Milli::new(if parts.negative { -magnitude } else { magnitude }))
    }

    /// The value as floating point, computed as `resource.Quantity.AsApproximateFloat64()` does from the canonical form, so that a
    /// tolerance is the same number here as in HPA.
    ///
    /// # Errors
    /// If the text is no quantity.
    #[allow(clippy::cast_precision_loss)] // the result is approximate by definition
    pub fn to_f64(&self) -> Result<f64, QuantityError> {
        let parts = Parts::parse(&self.0)?;
        // Canonical forms hold a whole number of units, thousandths, millionths or billionths: the coarsest that is exact.
        let (digits, magnitude) = [(0, 1.0), (3, 1e-3), (6, 1e-6)]
            .into_iter()
            .find(|(digits, _)| parts.is_whole(*digits))
            .unwrap_or((9, 1e-9));
        let value = parts.scaled(digits) as f64 * magnitude;
        Ok(if parts.negative { -value } else { value })
    }
}

impl Parts {
    fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.len() > MAX_QUANTITY_LENGTH {
            return Err(QuantityError::TooLong);
        }
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        // A second point fails here, as do no digits at all; 32 digits fit into 128 bits.
        let mantissa = digits.parse::<i128>().map_err(|_| QuantityError::Syntax)?;
        let fraction_digits = i32::try_from(fraction.len()).map_err(|_| QuantityError::TooLong)?;
        let (exponent, binary) = parse_suffix(suffix)?;
        Ok(Self { negative, mantissa, exponent: exponent.saturating_sub(fraction_digits), binary })
    }

    /// The magnitude times `10^digits`, rounded up; saturates.
    fn scaled(&self, digits: i32) -> i128 {
        let (numerator, denominator) = self.ratio(digits);
        let quotient = numerator / denominator;
        if numerator % denominator == 0 { quotient } else { quotient.saturating_add(1) }
    }

    /// Whether the magnitude times `10^digits` is whole.
    fn is_whole(&self, digits: i32) -> bool {
        let (numerator, denominator) = self.ratio(digits);
        numerator % denominator == 0
    }

    /// The magnitude times `10^digits` as a fraction. Twos are cancelled first, so the numerator overflows only where the fraction is
    /// beyond `i64` anyway: with at most 32 characters a binary suffix leaves 29 digits, and `2^127 / 5^26` is more than `2^66`.
    fn ratio(&self, digits: i32) -> (i128, i128) {
        if self.mantissa == 0 {
            return (0, 1);
        }
        let shift = self.exponent.saturating_add(digits);
        if shift >= 0 {
            let tens = 10_i128.checked_pow(shift.unsigned_abs());
            let factor = tens.and_then(|tens| tens.checked_mul(1_i128 << self.binary));
            return (factor.and_then(|factor| self.mantissa.checked_mul(factor)).unwrap_or(i128::MAX), 1);
        }
        let down = shift.unsigned_abs();
        let cancelled = down.min(self.binary);
        let numerator = self.mantissa.checked_mul(1_i128 << (self.binary - cancelled)).unwrap_or(i128::MAX);
        let fives = 5_i128.checked_pow(down);
        let twos = 2_i128.checked_pow(down - cancelled);
        let denominator = fives.zip(twos).and_then(|(fives, twos)| fives.checked_mul(twos)).unwrap_or(i128::MAX);
        (numerator, denominator)
    }
}

/// Decimal and binary exponent of a suffix.
fn parse_suffix(suffix: &str) -> Result<(i32, u32), QuantityError> {
    Ok(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => (parse_exponent(suffix)?, 0),
    })
}

/// The number of `e3`, `E-2`, `e+6`. Beyond four digits it saturates: such numbers are zero or endless here.
fn parse_exponent(suffix: &str) -> Result<i32, QuantityError> {
    let number = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Syntax)?;
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Syntax);
    }
    let exponent = digits.parse::<i32>().unwrap_or(i32::MAX).min(10_000);
    Ok(if negative { -exponent } else { exponent })
}

impl From<Milli> for Quantity {
    fn from(value: Milli) -> Self {
        Self(value.to_string())
    }
}

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntOrString;

        impl Visitor<'_> for IntOrString {
            type Value = Quantity;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a quantity: a number or a string such as 500m")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                let plain = number.to_string();
                // A tiny or huge number in full would be longer than a quantity may be; `1e-40` is one as well.
                Ok(Quantity(if plain.len() > MAX_QUANTITY_LENGTH { format!("{number:e}") } else { plain }))
            }
        }

        deserializer.deserialize_any(IntOrString)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn milli(text: &str) -> Result<i64, QuantityError> {
        Quantity::from(text).to_milli().map(Milli::get)
    }

    #[test]
    fn reads_what_kubernetes_reads() {
        let cases: &[(&str, i64)] = &[
            ("0", 0),
            ("-0", 0),
            ("100", 100_000),
            ("+5", 5_000),
            ("500m", 500),
            ("-500m", -500),
            ("0.1", 100),
            (".5", 500),
            ("5.", 5_000),
            ("2k", 2_000_000),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("0.5Mi", 524_288_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("12e-1", 1_200),
            ("1E+2", 100_000),
            // Away from zero, as MilliValue() rounds.
            ("1n", 1),
            ("-1n", -1),
            ("100u", 1),
            ("1001u", 2),
            ("0.0001", 1),
            ("-1.0001", -1_001),
            ("1e-30", 1),
            ("0e-9999", 0),
            // Saturation.
            ("9223372036854775", 9_223_372_036_854_775_000),
            ("9223372036854776", i64::MAX),
            ("1E", i64::MAX),
            ("-1E", -i64::MAX),
            ("9Ei", i64::MAX),
            ("1e9999", i64::MAX),
            ("0e9999", 0),
            ("99999999999999999999999999999Ei", i64::MAX),
            ("0.0000000000000000000000000001Ei", 1),
            (".00000000000000000086736173798Ei", 1_000),
        ];
        for (text, expected) in cases {
            assert_eq!(milli(text), Ok(*expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_kubernetes_refuses() {
        for text in [
            "", "-", ".", "m", "1K", "1ki", "1e", "1e+", "1 ", " 1", "1.2.3", "--1", "1mm", "NaN", "inf", "0x10",
            "1,5", "1٣",
        ] {
            assert_eq!(milli(text), Err(QuantityError::Syntax), "{text:?}");
        }
        assert_eq!(milli(&"1".repeat(33)), Err(QuantityError::TooLong));
    }

    #[test]
    fn reads_numbers_and_strings_alike() {
        let cases = [
            ("100", "100"),
            ("\"500m\"", "500m"),
            ("0.5", "0.5"),
            ("0.05", "0.05"),
            ("-3", "-3"),
            ("1e-7", "0.0000001"),
            ("1e-40", "1e-40"),
            ("1.5e300", "1.5e300"),
        ];
        for (json, expected) in cases {
            let quantity: Quantity = serde_json::from_str(json).unwrap();
            assert_eq!(quantity.0, expected, "{json}");
            assert!(quantity.to_f64().is_ok(), "{json}");
        }
        assert!(serde_json::from_str::<Quantity>("true").is_err());
    }

    #[test]
    fn a_tolerance_is_the_number_that_hpa_computes() {
        for (text, expected) in [
            ("0.1", 100.0 * 1e-3),
            ("100m", 100.0 * 1e-3),
            ("0", 0.0),
            ("2", 2.0),
            ("0.0005", 500.0 * 1e-6),
            ("-50m", -0.05),
        ] {
            assert_eq!(Quantity::from(text).to_f64(), Ok(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(thousandths in any::<i64>().prop_filter("magnitude", |n| *n != i64::MIN)) {
            let value = Milli::new(thousandths);
            prop_assert_eq!(Quantity::from(value).to_milli(), Ok(value));
        }

        #[test]
        fn decimals_are_exact(mantissa in 0_i128..1_000_000_000_000, digits in 0_u32..9, binary in 0_u32..4) {
            let suffix = ["", "Ki", "Mi", "Gi"][binary as usize];
            let scale = 10_i128.pow(digits);
            let text = format!("{}.{:0width$}{suffix}", mantissa / scale, mantissa % scale, width = digits as usize);
            let numerator = mantissa * 1000 * 1024_i128.pow(binary);
            let expected = numerator / scale + i128::from(numerator % scale != 0);
            // With no digits the format still prints the remainder 0: `5.0`.
            prop_assert_eq!(milli(&text).map(i128::from), Ok(expected.min(i128::from(i64::MAX))));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Quantity(text.clone()).to_f64();
            prop_assert_eq!(Quantity(text.clone()).to_milli().is_ok(), Quantity(text).to_f64().is_ok());
        }

        #[test]
        fn grammar_and_pattern_agree(text in "[+-]?[0-9.]{0,4}([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{0,2}|[Ki]{1,2})?") {
            let (sign_free, digits) = (text.trim_start_matches(['+', '-']), text.matches('.').count());
            let well_formed = digits <= 1 && sign_free.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            if milli(&text).is_ok() {
                prop_assert!(well_formed);
            }
        }
    }
}
