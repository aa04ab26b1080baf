//! Label and field selectors. Pure.

use serde_json::Value;

use super::failure::Failure;

/// Most requirements of one selector.
const MAX_REQUIREMENTS: usize = 64;

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

/// Which objects a request means.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, bool, String)>,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// 400 for what is not a selector.
    pub(super) fn parse(labels: &str, fields: &str) -> Result<Self, Failure> {
        let labels = split_outside_brackets(labels).into_iter().map(label_requirement).collect::<Result<_, _>>()?;
        let fields = fields
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(field_requirement)
            .collect::<Result<Vec<_>, _>>()?;
        let selector = Self { labels, fields };
        if selector.labels.len().max(selector.fields.len()) > MAX_REQUIREMENTS {
            return Err(Failure::bad_request(format!("a selector may have at most {MAX_REQUIREMENTS} requirements")));
        }
        Ok(selector)
    }

    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether it selects `object`.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|(key, test)| {
            let present = labels.get(key).and_then(Value::as_str);
            match test {
                Test::In(values) => present.is_some_and(|present| values.iter().any(|value| value == present)),
                Test::NotIn(values) => present.is_none_or(|present| values.iter().all(|value| value != present)),
                Test::Exists => present.is_some(),
                Test::Absent => present.is_none(),
            }
        }) && self.fields.iter().all(|(path, equal, wanted)| {
            let found = path.split('.').try_fold(object, |value, step| value.get(step));
            (found.and_then(Value::as_str).unwrap_or_default() == wanted) == *equal
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
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn label_requirement(text: &str) -> Result<(String, Test), Failure> {
    let text = text.trim();
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, test) = if let Some((key, value)) = text.split_once("!=") {
        (key, Test::NotIn(one(value)))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Test::In(one(value)))
    } else if let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => (key, Test::In(values)),
            [key, "notin"] => (key, Test::NotIn(values)),
            _ => return Err(unreadable(text)),
        }
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Test::Absent)
    } else {
        (text, Test::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c))) {
        return Err(unreadable(text));
    }
    Ok((key.to_owned(), test))
}

fn field_requirement(text: &str) -> Result<(String, bool, String), Failure> {
    let parsed = if let Some((path, value)) = text.split_once("!=") {
        Some((path, false, value))
    } else {
        text.split_once("==").or_else(|| text.split_once('=')).map(|(path, value)| (path, true, value))
    };
    let Some((path, equal, value)) = parsed else { return Err(unreadable(text)) };
    Ok((path.trim().to_owned(), equal, value.trim().to_owned()))
}

fn unreadable(text: &str) -> Failure {
    Failure::bad_request(format!("unable to parse requirement: {text:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selects_as_kubernetes_does() {
        let object = json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}});
        for (labels, fields, expected) in [
            ("", "", true),
            ("app=web", "", true),
            ("app==web,tier!=back", "", true),
            ("app in (api, web),tier", "", true),
            ("app notin (web)", "", false),
            ("!app", "", false),
            ("other!=x", "", true),
            ("other=x", "", false),
            ("", "metadata.name=web", true),
            ("", "metadata.name!=web", false),
            ("", "metadata.namespace=a", false),
        ] {
            let selector = Selector::parse(labels, fields).unwrap();
            assert_eq!(selector.matches(&object), expected, "{labels} {fields}");
        }
        assert!(Selector::parse("a b", "").is_err());
        assert!(Selector::parse("", "metadata.name").is_err());
    }
}
