//! Label selectors: from the form that manifests have to the notation that queries have, and from that notation to a test of labels.
//! Pure.

use std::sync::Arc;

use super::metrics::{MAX_LABEL_LENGTH, MAX_NAME_LENGTH, Selector, SelectorOperator};

/// Most requirements of one selector, and most values of one requirement: more than anybody selects by.
const MAX_REQUIREMENTS: usize = 64;
/// Longest text of a selector that is read, in bytes.
const MAX_SELECTOR_BYTES: usize = 64 * 1024;

/// The selector cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// It selects everything, which no workload means.
    #[error(
        "the workload has no selector, so its pods are not known; give it one in spec.selector (status.selector of its scale)"
    )]
    Empty,
    /// Not in Kubernetes' notation.
    #[error("{0:?} is no requirement on a label such as app=web, tier in (a, b) or !canary")]
    Unreadable(String),
    /// More than anybody selects by.
    #[error("the selector has more than {MAX_REQUIREMENTS} requirements, values or too long a text")]
    TooLong,
}

/// A test of labels: every requirement has to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelTest(Vec<(String, Test)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// The same in Kubernetes' notation, as `a=b,c in (x,y),!d`; empty where it selects everything.
    ///
    /// # Errors
    /// [`InvalidSelector`] for what has no such notation: keys and values that are no labels, In without values, Exists with values.
    pub fn to_notation(&self) -> Result<Arc<str>, InvalidSelector> {
        let mut parts = Vec::new();
        for (key, value) in self.match_labels.iter().flatten() {
            parts.push(format!("{}={}", checked_key(key)?, checked_value(value)?));
        }
        for requirement in self.match_expressions.iter().flatten() {
            let key = checked_key(&requirement.key)?;
            let values = requirement.values.as_deref().unwrap_or_default();
            let mut listed = values.iter().map(|value| checked_value(value)).collect::<Result<Vec<_>, _>>()?;
            listed.sort_unstable();
            let listed = listed.join(",");
            parts.push(match (requirement.operator, values.is_empty()) {
                (SelectorOperator::In, false) => format!("{key} in ({listed})"),
                (SelectorOperator::NotIn, false) => format!("{key} notin ({listed})"),
                (SelectorOperator::Exists, true) => key.to_owned(),
                (SelectorOperator::DoesNotExist, true) => format!("!{key}"),
                (operator, _) => return Err(InvalidSelector::Unreadable(format!("{key} {operator:?} ({listed})"))),
            });
        }
        Ok(parts.join(",").into())
    }
}

impl LabelTest {
    /// Reads Kubernetes' notation, as `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
    ///
    /// # Errors
    /// [`InvalidSelector`]; an empty text is one, since no workload means every pod of its namespace.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        if text.len() > MAX_SELECTOR_BYTES {
            return Err(InvalidSelector::TooLong);
        }
        if text.trim().is_empty() {
            return Err(InvalidSelector::Empty);
        }
        let requirements = split_outside_brackets(text).into_iter().map(requirement).collect::<Result<Vec<_>, _>>()?;
        if requirements.len() > MAX_REQUIREMENTS {
            return Err(InvalidSelector::TooLong);
        }
        Ok(Self(requirements))
    }

    /// The labels that have to be there with one of some values, as key and values, in the order of the text.
    pub fn required(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().filter_map(|(key, test)| match test {
            Test::In(values) => Some((key.as_str(), values.as_slice())),
            Test::NotIn(_) | Test::Exists | Test::Absent => None,
        })
    }

    /// Whether labels, looked up by `label`, pass. As in Kubernetes, an absent label passes `!=` and `notin`.
    pub fn passes<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|(key, test)| {
            let present = label(key);
            match test {
                Test::In(values) => present.is_some_and(|present| values.iter().any(|value| value == present)),
                Test::NotIn(values) => present.is_none_or(|present| values.iter().all(|value| value != present)),
                Test::Exists => present.is_some(),
                Test::Absent => present.is_none(),
            }
        })
    }
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(text: &str) -> Result<(String, Test), InvalidSelector> {
    let text = text.trim();
    let one = |value: &str| Ok(vec![checked_value(value.trim())?.to_owned()]);
    let (key, test) = if let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let listed: Vec<&str> = values.split(',').map(str::trim).collect();
        if listed.len() > MAX_REQUIREMENTS {
            return Err(InvalidSelector::TooLong);
        }
        let values =
            listed.into_iter().map(|value| checked_value(value).map(str::to_owned)).collect::<Result<_, _>>()?;
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => (key, Test::In(values)),
            [key, "notin"] => (key, Test::NotIn(values)),
            _ => return Err(unreadable(text)),
        }
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Test::NotIn(one(value)?))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Test::In(one(value)?))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Test::Absent)
    } else {
        (text, Test::Exists)
    };
    Ok((checked_key(key.trim()).map_err(|_| unreadable(text))?.to_owned(), test))
}

fn checked_key(key: &str) -> Result<&str, InvalidSelector> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_domain = |prefix: &str| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        prefix.len() <= MAX_NAME_LENGTH && is_enclosed(prefix) && prefix.chars().all(fits)
    };
    let fits = prefix.is_none_or(is_domain) && is_name(name);
    if fits { Ok(key) } else { Err(unreadable(key)) }
}

fn checked_value(value: &str) -> Result<&str, InvalidSelector> {
    if value.is_empty() || is_name(value) { Ok(value) } else { Err(unreadable(value)) }
}

/// What Kubernetes takes as the name of a label, and as its value.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= MAX_LABEL_LENGTH && is_enclosed(text) && text.chars().all(fits)
}

/// Begins and ends with a letter or a digit, and so is not empty.
fn is_enclosed(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn unreadable(text: &str) -> InvalidSelector {
    InvalidSelector::Unreadable(text.chars().take(64).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tests_labels_as_kubernetes_does() {
        let labels = [("app", "web"), ("tier", "front")];
        let label = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        for (text, expected) in [
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (api, web),tier", true),
            ("app notin (web)", false),
            ("!app", false),
            ("!canary", true),
            ("other!=x", true),
            ("other=x", false),
            ("app=", false),
        ] {
            assert_eq!(LabelTest::parse(text).unwrap().passes(label), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_selector() {
        for text in [
            "a b",
            "a=b,",
            "a in b)",
            "a near (b)",
            "=x",
            "a=b c",
            "a in (b",
            "ä=b",
            "-a",
            "a=-b",
            "/a=b",
            "A/a",
            "a/b/c",
        ] {
            assert!(matches!(LabelTest::parse(text), Err(InvalidSelector::Unreadable(_))), "{text}");
        }
        assert_eq!(LabelTest::parse(" "), Err(InvalidSelector::Empty));
        assert_eq!(LabelTest::parse(&"a,".repeat(100_000)), Err(InvalidSelector::TooLong));
        assert_eq!(LabelTest::parse(&vec!["a"; 65].join(",")), Err(InvalidSelector::TooLong));
    }

    #[test]
    fn manifests_become_the_notation_and_back() {
        let selector: Selector = serde_json::from_value(json!({
            "matchLabels": {"app": "web", "a.b/c": "d"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["y", "x"]}, {"key": "old", "operator": "DoesNotExist"},
                {"key": "env", "operator": "NotIn", "values": ["dev"]}, {"key": "team", "operator": "Exists"},
            ],
        }))
        .unwrap();
        let notation = selector.to_notation().unwrap();
        assert_eq!(&*notation, "a.b/c=d,app=web,tier in (x,y),!old,env notin (dev),team");
        assert_eq!(LabelTest::parse(&notation).unwrap().0.len(), 6);
        assert_eq!(&*Selector::default().to_notation().unwrap(), "");
        for bad in [
            json!({"matchLabels": {"a": "b,c"}}),
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
        ] {
            let selector: Selector = serde_json::from_value(bad.clone()).unwrap();
            assert!(selector.to_notation().is_err(), "{bad}");
        }
    }
}
