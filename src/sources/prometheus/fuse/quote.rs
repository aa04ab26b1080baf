//! Values as text that means exactly them: in PromQL's quotes, and in a regular expression.

/// `value` between double quotes as PromQL reads it.
pub(super) fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// A regular expression of RE2 that matches `value` and nothing else; Prometheus anchors it at both ends. The characters are those
/// that Go's `regexp.QuoteMeta` escapes, so that Prometheus recognises a list of plain words and looks them up in its index.
pub(super) fn exactly(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// A regular expression that matches each of `values` and nothing else.
pub(super) fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().map(exactly).collect::<Vec<_>>().join("|")
}
