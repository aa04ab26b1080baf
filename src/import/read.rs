//! Manifests as people have them: YAML of one or many documents, JSON, lists. Owns the way from text to objects.

use serde_json::Value;

/// Why a text holds no objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Neither YAML nor JSON.
    #[error("is no YAML: {0}")]
    Syntax(String),
    /// YAML, but no object of Kubernetes.
    #[error("document {0} is no object: it needs apiVersion and kind")]
    NotAnObject(usize),
}

impl Unreadable {
    /// The CamelCase word for logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "BadSyntax",
            Self::NotAnObject(_) => "NotAnObject",
        }
    }
}

/// All objects of `text`, those within lists as well, in their order.
///
/// # Errors
/// See [`Unreadable`].
pub fn objects(text: &str) -> Result<Vec<Value>, Unreadable> {
    // Two JSON objects behind each other, as some tools print them, are no YAML.
    let documents: Vec<Value> = if text.trim_start().starts_with('{') {
        let stream: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
        stream.or_else(|_| yaml(text))?
    } else {
        yaml(text)?
    };
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        flatten(document, index + 1, &mut objects)?;
    }
    Ok(objects)
}

fn yaml(text: &str) -> Result<Vec<Value>, Unreadable> {
    let mut options = serde_saphyr::Options::default();
    // Only true and false: a namespace `n` and a label `on` are names.
    options.strict_booleans = true;
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let said = error.without_snippet().to_string();
        let template = if text.contains("{{") { "; a template has to be rendered first" } else { "" };
        Unreadable::Syntax(format!("{said}{template}"))
    })
}

fn flatten(document: Value, number: usize, objects: &mut Vec<Value>) -> Result<(), Unreadable> {
    match document {
        Value::Null => Ok(()),
        Value::Object(mut fields) => {
            let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
            if kind.is_empty() || !fields.contains_key("apiVersion") {
                return Err(Unreadable::NotAnObject(number));
            }
            if !kind.ends_with("List") || !fields.contains_key("items") {
                objects.push(Value::Object(fields));
                return Ok(());
            }
            // Items of a typed list may leave out what the list says for them.
            let (kind, api_version) = (kind.trim_end_matches("List").to_owned(), fields.get("apiVersion").cloned());
            let Some(Value::Array(items)) = fields.remove("items") else { return Ok(()) };
            for mut item in items {
                if let Value::Object(fields) = &mut item
                    && !kind.is_empty()
                    && !fields.contains_key("kind")
                {
                    fields.insert("kind".into(), Value::from(kind.clone()));
                    fields.insert("apiVersion".into(), api_version.clone().unwrap_or_default());
                }
                flatten(item, number, objects)?;
            }
            Ok(())
        }
        _ => Err(Unreadable::NotAnObject(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        objects(text).unwrap().iter().map(super::super::title).collect()
    }

    #[test]
    fn many_documents_lists_and_json_are_read() {
        let yaml = "# only a comment\n---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: B, metadata: {name: b, namespace: n}}\n";
        assert_eq!(names(yaml), ["A a", "B n/b"]);
        let json = r#"{"apiVersion": "v2", "kind": "CList", "items": [{"metadata": {"name": "c"}}]}"#;
        assert_eq!(names(json), ["C c"]);
        assert_eq!(names(&format!("{json}\n{json}")), ["C c", "C c"]);
        assert_eq!(names(""), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let cases = [
            ("a: [1", "is no YAML: unclosed bracket '[' at line 1, column 4"),
            (
                "a: {{ .Values.a }}",
                "is no YAML: expected string scalar at line 1, column 5; a template has to be rendered first",
            ),
            ("just words", "document 1 is no object: it needs apiVersion and kind"),
            ("rules: []", "document 1 is no object: it needs apiVersion and kind"),
        ];
        for (text, expected) in cases {
            assert_eq!(objects(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
