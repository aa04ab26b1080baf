//! Amounts of resources as Kubernetes writes them.

use super::Quantity;
use crate::engine::Milli;

/// Which suffixes amounts of a resource are written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffixes {
    /// Powers of 1024: `Ki`, `Mi`, `Gi`.
    Binary,
    /// Powers of 1000: `m`, `k`, `M`.
    Decimal,
}

impl Suffixes {
    /// Those of a resource: binary for memory, decimal for everything else (HPA rule).
    #[must_use]
    pub fn of(resource: &str) -> Self {
        if resource == "memory" { Self::Binary } else { Self::Decimal }
    }
}

impl Quantity {
    /// An amount of a resource in Kubernetes' canonical form: the largest binary suffix that leaves it whole. What is no whole number, or
    /// below 1024, has no binary form.
    #[must_use]
    pub fn of_resource(resource: &str, amount: Milli) -> Self {
        let mut whole = amount.get() / 1000;
        let is_whole = amount.get() % 1000 == 0;
        if Suffixes::of(resource) == Suffixes::Decimal || !is_whole || whole.abs() < 1024 {
            return amount.into();
        }
        let mut suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter();
        let mut suffix = suffixes.next();
        while whole % 1024 == 0
            && let Some(larger) = suffixes.next()
        {
            whole /= 1024;
            suffix = Some(larger);
        }
        Self(format!("{whole}{}", suffix.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_binary_suffixes_where_it_is_whole() {
        let table = [
            ("memory", 1000, "1"),
            ("memory", 1_023_000, "1023"),
            ("memory", 1_024_000, "1Ki"),
            ("memory", 1_025_000, "1025"),
            ("memory", 1_536 * 1024 * 1000, "1536Ki"),
            ("memory", 3 * (1_i64 << 30) * 1000, "3Gi"),
            ("memory", -2_048_000, "-2Ki"),
            ("memory", 2_048_001, "2048001m"),
            ("memory", i64::MAX, "9223372036854775807m"),
            ("cpu", 2_048_000, "2048"),
            ("cpu", 1, "1m"),
        ];
        for (resource, milli, text) in table {
            let quantity = Quantity::of_resource(resource, Milli::new(milli));
            assert_eq!(quantity.0, text);
            assert_eq!(quantity.to_milli(), Ok(Milli::new(milli)), "{text}");
        }
    }
}
