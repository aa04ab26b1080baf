//! Label and field selectors. Pure.

use serde_json::Value;

use super::failure::Failure;
use crate::api::selector::LabelTest;

/// Most requirements on fields.
const MAX_REQUIREMENTS: usize = 64;

/// Which objects a request means.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selector {
    /// `None` selects everything: what the controller must not take for a workload's selector, and what a list without one means.
    labels: Option<LabelTest>,
    fields: Vec<(String, bool, String)>,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// 400 for what is not a selector.
    pub(super) fn parse(labels: &str, fields: &str) -> Result<Self, Failure> {
        let labels = match labels.trim() {
            "" => None,
            text => Some(LabelTest::parse(text).map_err(|error| unreadable(&error.to_string()))?),
        };
        let fields = fields
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(field_requirement)
            .collect::<Result<Vec<_>, _>>()?;
        if fields.len() > MAX_REQUIREMENTS {
            return Err(Failure::bad_request(format!("a selector may have at most {MAX_REQUIREMENTS} requirements")));
        }
        Ok(Self { labels, fields })
    }

    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_none() && self.fields.is_empty()
    }

    /// Whether it selects `object`.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.labels.as_ref().is_none_or(|test| test.passes(label))
            && self.fields.iter().all(|(path, equal, wanted)| {
                let found = path.split('.').try_fold(object, |value, step| value.get(step));
                (found.and_then(Value::as_str).unwrap_or_default() == wanted) == *equal
            })
    }
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
    Failure::bad_request(format!("unable to parse requirement: {text}"))
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
