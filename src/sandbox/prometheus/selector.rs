//! Which series a query means, and the part of regular expressions that the sandbox knows: alternatives of words. Pure; knows no samples.

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

/// The words of `a|b\.c`, unescaped; `None` for other regular expressions. `.*` and `.+` stay as they are.
pub(super) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let mut special = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        let word = words.last_mut()?;
        match character {
            '\\' => word.push(characters.next().filter(char::is_ascii_punctuation)?),
            '|' => words.push(String::new()),
            '.' if word.is_empty() && matches!(characters.peek(), Some('*' | '+')) => {
                special = true;
                word.push(character);
                word.extend(characters.next());
                if !matches!(characters.peek(), None | Some('|')) {
                    return None;
                }
            }
            character if ".+*?()[]{}^$".contains(character) => return None,
            character => word.push(character),
        }
    }
    // A word that only looks like one of the two would be taken for it.
    let confusing =
        words.iter().any(|word| matches!(word.as_str(), ".*" | ".+")) && (!special || pattern.contains('\\'));
    (!confusing).then_some(words)
}
