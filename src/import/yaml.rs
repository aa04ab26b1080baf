//! YAML in block style with comments above fields: the order of fields that people expect, literal blocks for queries of several lines.
//! Owns layout and comments; quoting is serde-saphyr's. Must not change a value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Fields in the order in which manifests are written; all others follow by name.
const ORDER: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "type",
    "name",
    "namespace",
    "labels",
    "annotations",
    "spec",
    "scaleTargetRef",
    "minReplicas",
    "maxReplicas",
    "pollingPeriodSeconds",
    "metrics",
    "query",
    "series",
    "describedObject",
    "metric",
    "container",
    "target",
    "key",
    "operator",
    "stabilizationWindowSeconds",
    "selectPolicy",
    "value",
    "periodSeconds",
];
/// Longest line of a comment, in characters without its indentation.
const COMMENT_WIDTH: usize = 100;

/// Comments by the path of the field that they stand above, as `spec.metrics[0].type`; the empty path is the head of the document.
pub(super) type Comments = BTreeMap<String, Vec<String>>;

/// Why a document could not be written: serde-saphyr refused one of its scalars, or the document is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be written as YAML: {0}")]
pub struct WriteError(String);

impl WriteError {
    /// The CamelCase word for logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "BadDocument"
    }
}

/// `document` as a YAML document that ends with a line break. A comment on a path that is not there moves up to the nearest one that is.
///
/// # Errors
/// See [`WriteError`].
pub(super) fn document(document: &Value, comments: &Comments) -> Result<String, WriteError> {
    let mut paths = BTreeSet::new();
    collect_paths(document, "", &mut paths);
    let mut placed = Comments::new();
    for (path, texts) in comments {
        placed.entry(nearest(path, &paths).to_owned()).or_default().extend(texts.iter().cloned());
    }
    let mut writer = Writer { out: String::new(), comments: placed };
    writer.comment("", 0);
    writer.block(document, "", 0)?;
    Ok(writer.out)
}

fn collect_paths(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    paths.insert(path.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect_paths(value, &field(path, name), paths);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect_paths(value, &item(path, index), paths);
            }
        }
        _ => {}
    }
}

fn nearest<'a>(path: &'a str, paths: &BTreeSet<String>) -> &'a str {
    let mut path = path;
    while !paths.contains(path) {
        path = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
    }
    path
}

fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

fn ordered(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
    fields
}

struct Writer {
    out: String,
    comments: Comments,
}

impl Writer {
    /// The fields or items of `value`, each on lines of its own. The first line starts where the output ends.
    fn block(&mut self, value: &Value, path: &str, depth: usize) -> Result<(), WriteError> {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in ordered(fields) {
                    let path = field(path, name);
                    self.comment(&path, depth);
                    self.start_line(depth);
                    self.out.push_str(&scalar(&Value::String(name.clone()))?);
                    self.out.push(':');
                    self.value(value, &path, depth)?;
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, value) in items.iter().enumerate() {
                    let path = item(path, index);
                    self.comment(&path, depth);
                    self.item(value, &path, depth)?;
                }
            }
            scalar_or_empty => {
                self.start_line(depth);
                self.out.push_str(&scalar(scalar_or_empty)?);
                self.out.push('\n');
            }
        }
        Ok(())
    }

    /// A dash and what stands behind it: the first field of an object on the same line, its comment above the dash.
    fn item(&mut self, value: &Value, path: &str, depth: usize) -> Result<(), WriteError> {
        if let Some((name, _)) = value.as_object().and_then(|fields| ordered(fields).into_iter().next()) {
            self.comment(&field(path, name), depth);
        }
        self.start_line(depth);
        self.out.push('-');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                let start = self.out.len();
                self.block(value, path, depth + 1)?;
                let written = self.out.split_off(start);
                self.out.push(' ');
                self.out.push_str(written.trim_start_matches(' '));
                Ok(())
            }
            Value::Array(items) if !items.is_empty() => {
                self.out.push('\n');
                self.block(value, path, depth + 1)
            }
            other => self.value(other, path, depth),
        }
    }

    /// What stands behind `name:`, and scalars behind a dash.
    fn value(&mut self, value: &Value, path: &str, depth: usize) -> Result<(), WriteError> {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                self.out.push('\n');
                self.block(value, path, depth + 1)
            }
            Value::Array(items) if !items.is_empty() => {
                self.out.push('\n');
                self.block(value, path, depth)
            }
            Value::String(text) if is_literal(text) => {
                self.out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
                for line in text.lines() {
                    if !line.is_empty() {
                        self.start_line(depth + 1);
                        self.out.push_str(line);
                    }
                    self.out.push('\n');
                }
                Ok(())
            }
            other => {
                self.out.push(' ');
                self.out.push_str(&scalar(other)?);
                self.out.push('\n');
                Ok(())
            }
        }
    }

    fn comment(&mut self, path: &str, depth: usize) {
        for text in self.comments.remove(path).unwrap_or_default() {
            for line in wrapped(&text) {
                self.start_line(depth);
                self.out.push_str("# ");
                self.out.push_str(&line);
                self.out.push('\n');
            }
        }
    }

    fn start_line(&mut self, depth: usize) {
        self.out.push_str(&"  ".repeat(depth));
    }
}

/// Whether `text` may stand as a literal block: several lines of printable text that say themselves how far they are indented, and at
/// most one line break at the end.
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && !body.ends_with('\n')
        && body.lines().all(|line| !line.ends_with([' ', '\t']))
        && body.chars().all(|c| c == '\n' || !is_unprintable(c))
}

/// What YAML does not print raw, what ends a line in some readers, and what reorders letters on a screen.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}')
}

fn scalar(value: &Value) -> Result<String, WriteError> {
    let mut options = serde_saphyr::SerializerOptions::default();
    options.prefer_block_scalars = false;
    let text = serde_saphyr::to_string_with_options(value, options).map_err(|error| WriteError(error.to_string()))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// `text` in lines of at most [`COMMENT_WIDTH`] characters where its words allow it, and without anything that could end a comment.
fn wrapped(text: &str) -> Vec<String> {
    let printable: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    let mut lines: Vec<String> = Vec::new();
    for word in printable.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COMMENT_WIDTH => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_stand_above_their_fields() {
        let value = json!({
            "kind": "K", "apiVersion": "v1",
            "spec": {"metrics": [{"type": "A", "list": [1, [2], {}, {"x": "z"}]}, {"type": "B", "query": "a\n  + b\n\nc"}]},
        });
        let comments = [
            ("", "head"),
            ("spec.metrics[0].type", "first"),
            ("spec.metrics[1]", "second"),
            ("spec.metrics[1].query", "third\nin two"),
            ("spec.metrics[7].no.such", "moves up"),
        ];
        let comments = comments.into_iter().map(|(path, text)| (path.to_owned(), vec![text.to_owned()])).collect();
        let expected = "\
# head
apiVersion: v1
kind: K
spec:
  # moves up
  metrics:
  # first
  - type: A
    list:
    - 1
    -
      - 2
    - {}
    - x: z
  # second
  - type: B
    # third in two
    query: |-
      a
        + b

      c
";
        assert_eq!(document(&value, &comments).unwrap(), expected);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "\\PC{0,12}",
            "[a-z #:{}\\[\\],&*!|>'\"%@`~\\-\n\t]{0,16}",
            Just("yes".to_owned()),
            Just("1e3".to_owned()),
            Just("a\nb\n".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any_json(), comment in "\\PC{0,200}") {
            let comments = [(String::new(), vec![comment.clone()]), ("a".to_owned(), vec![comment])].into_iter().collect();
            let text = document(&json!({"a": value}), &comments).unwrap();
            let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert_eq!(read, json!({"a": value}), "{}", text);
        }
    }
}
