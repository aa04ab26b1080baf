//! Whose twin it is.

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The HPA controller.
    Hpa,
    /// Flyball.
    Flyball,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Hpa, Self::Flyball];

    /// The end of the name of everything that belongs to it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::Flyball => "flyball",
        }
    }
}
