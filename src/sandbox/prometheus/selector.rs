//! Which series a query means. Pure; knows no samples.

/// Which series are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Name of the metric.
    pub name: String,
    /// What its labels must be.
    pub matchers: Vec<Matcher>,
}

/// What a label must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// Must be one of the values rather than none of them.
    pub equal: bool,
    /// The values; `.*` and `.+` stand for any, where `pattern`.
    pub values: Vec<String>,
    /// Written as a regular expression.
    pub pattern: bool,
}

impl Matcher {
    /// Whether `value` (empty where the label is not there) is as it must be.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let found = self.values.iter().any(|wanted| match wanted.as_str() {
            ".*" if self.pattern => true,
            ".+" if self.pattern => !value.is_empty(),
            wanted => wanted == value,
        });
        found == self.equal
    }
}
