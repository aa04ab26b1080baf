//! Why a query is asked alone. Owns the reasons and their sentences; decides nothing.

use super::scan::{MAX_NESTING, MAX_QUERY_BYTES, MAX_WORDS};

/// Why a query shares no request. Asking it alone is always right; each reason is a proof that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Alone {
    /// Longer, deeper or of more words than is looked into.
    #[error(
        "The query is longer than {MAX_QUERY_BYTES} bytes, has more than {MAX_WORDS} words or nests deeper than {MAX_NESTING}."
    )]
    TooLarge,
    /// The parser does not take it; Prometheus may.
    #[error("The query is not understood here; Prometheus says whether it is right.")]
    NotUnderstood,
    /// Versions of Prometheus, or Prometheus and the parser, read it differently.
    #[error("The query holds {0}, which versions of Prometheus read differently.")]
    Spelling(&'static str),
    /// The metric of a selector is open.
    #[error("A selector does not name its metric with one exact name.")]
    OpenName,
    /// No label can tell the members apart.
    #[error("No label is demanded, with = and the same value, by every selector.")]
    NoSharedLabel,
    /// A function whose result is not known to be the same for many as for one.
    #[error("The function {0}() is not known to yield the same in a shared request.")]
    Function(&'static str),
    /// An aggregation whose result is not known to be the same for many as for one.
    #[error("The aggregation {0} is not known to yield the same in a shared request.")]
    Aggregation(String),
    /// An operator between series that is not known to pair the same.
    #[error("{0} between series is not known to pair the same in a shared request.")]
    Operator(&'static str),
    /// The sides of an operator between series keep different labels, so that more would pair in a shared request.
    #[error(
        "The sides of an operator keep different labels: one is aggregated over the label that tells queries apart."
    )]
    UnequalSides,
    /// It yields no instant vector.
    #[error("The query yields no instant vector.")]
    NoVector,
}

impl Alone {
    /// The CamelCase word for explanations and metric labels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge => "TooLarge",
            Self::NotUnderstood => "NotUnderstood",
            Self::Spelling(_) => "Spelling",
            Self::OpenName => "OpenMetricName",
            Self::NoSharedLabel => "NoSharedLabel",
            Self::Function(_) => "Function",
            Self::Aggregation(_) => "Aggregation",
            Self::Operator(_) => "Operator",
            Self::UnequalSides => "UnequalSides",
            Self::NoVector => "NoVector",
        }
    }
}
