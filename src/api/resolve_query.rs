//! `{{namespace}}` and `{{name}}` in a query: the target's, put into the quotes where they stand so that they mean exactly themselves.
//! Owns the words and the escaping; knows no more of PromQL than where strings and comments begin and end.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What opens a word to be filled in. Outside of strings it never occurs in PromQL.
const OPEN: &str = "{{";
/// What closes it.
const CLOSE: &str = "}}";
/// The words, as messages name them.
const KNOWN: &str = "{{namespace}} and {{name}} of the target";

/// Whose names are filled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The namespace of policy and target; `None` where the policy names none.
    pub(super) namespace: Option<&'a str>,
    /// The name of the target.
    pub(super) name: &'a str,
}

/// `query` with the names of `subject` in it. Calls `report` with each word that cannot be filled in, and how to mend it.
pub(super) fn fill<'a>(query: &'a str, subject: Subject<'_>, report: &mut dyn FnMut(&str, String)) -> Cow<'a, str> {
    if !query.contains(OPEN) {
        return Cow::Borrowed(query);
    }
    let mut writer = Writer { out: String::with_capacity(query.len()), subject, report };
    let mut rest = query;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '#' => writer.copy(rest, rest.find(['\n', '\r']).unwrap_or(rest.len())),
            // Only =~ and !~ end in a tilde: what follows is a regular expression.
            '"' | '\'' | '`' => writer.string(rest, Quotes { quote: first, regex: before == '~' }),
            '{' => match word(rest) {
                Some(text) => {
                    let fix = format!(
                        "stands outside of quotes: {KNOWN} are filled in between quotes, as in app=\"{{{{name}}}}\""
                    );
                    (writer.report)(text, fix);
                    writer.copy(rest, text.len())
                }
                None => writer.copy(rest, 1),
            },
            _ => writer.copy(rest, first.len_utf8()),
        };
        if !first.is_whitespace() && first != '#' {
            before = first;
        }
        rest = &rest[taken..];
    }
    Cow::Owned(writer.out)
}

/// The word that `text` begins with, braces included.
fn word(text: &str) -> Option<&str> {
    let inside = text.strip_prefix(OPEN)?;
    inside.find(CLOSE).map(|end| &text[..OPEN.len() + end + CLOSE.len()])
}

/// What a string stands in.
#[derive(Debug, Clone, Copy)]
struct Quotes {
    quote: char,
    regex: bool,
}

struct Writer<'a> {
    out: String,
    subject: Subject<'a>,
    report: &'a mut dyn FnMut(&str, String),
}

impl Writer<'_> {
    /// Takes over the first `bytes` as they are.
    fn copy(&mut self, text: &str, bytes: usize) -> usize {
        self.out.push_str(&text[..bytes]);
        bytes
    }

    /// Takes over the string that `text` begins with, filled in. The number of bytes read.
    fn string(&mut self, text: &str, quotes: Quotes) -> usize {
        let mut at = self.copy(text, 1);
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            at += match first {
                '\\' if quotes.quote != '`' => {
                    let escaped = rest[1..].chars().next().map_or(0, char::len_utf8);
                    self.copy(rest, 1 + escaped)
                }
                '{' => match word(rest).filter(|word| !word.contains(quotes.quote)) {
                    Some(word) => {
                        self.word(word, quotes);
                        word.len()
                    }
                    None => self.copy(rest, 1),
                },
                _ => self.copy(rest, first.len_utf8()),
            };
            if first == quotes.quote {
                break;
            }
        }
        at
    }

    fn word(&mut self, word: &str, quotes: Quotes) {
        let value = match word[OPEN.len()..word.len() - CLOSE.len()].trim() {
            "namespace" => self.subject.namespace,
            "name" => Some(self.subject.name),
            _ => {
                let fix = format!(
                    "is no word that can be filled in: {KNOWN} can; for two braces that mean themselves write {{\\x7b"
                );
                return (self.report)(word, fix);
            }
        };
        let Some(value) = value else {
            return (self.report)(word, "needs metadata.namespace: write it into the policy".to_owned());
        };
        if quotes.quote == '`' && value.contains('`') {
            return (self.report)(
                word,
                "stands for a name with a backquote: write it between double quotes".to_owned(),
            );
        }
        let exact = if quotes.regex { exactly(value) } else { Cow::Borrowed(value) };
        escape(&exact, quotes.quote, &mut self.out);
    }
}

/// Appends `value` so that it means itself between these quotes. Between backquotes nothing is escaped.
fn escape(value: &str, quote: char, out: &mut String) {
    for character in value.chars() {
        match character {
            _ if quote == '`' => out.push(character),
            '\\' | '"' | '\'' if character == '\\' || character == quote => {
                out.push('\\');
                out.push(character);
            }
            // All that could end a line or hide in one; PromQL reads Go's escapes.
            _ if character.is_control() => drop(write!(out, "\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
}

/// A regular expression of RE2 that matches `value` and nothing else: names of workloads may hold dots.
fn exactly(value: &str) -> Cow<'_, str> {
    let special = |character: char| r"\.+*?()|[]{}^$".contains(character);
    if !value.contains(special) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 8);
    for character in value.chars() {
        if special(character) {
            out.push('\\');
        }
        out.push(character);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(query: &str, namespace: Option<&str>, name: &str) -> (String, Vec<String>) {
        let mut problems = Vec::new();
        let subject = Subject { namespace, name };
        let text = fill(query, subject, &mut |word, fix| problems.push(format!("{word} {fix}"))).into_owned();
        (text, problems)
    }

    #[test]
    fn names_stand_in_their_quotes_as_themselves() {
        let cases = [
            ("sum(up)", "web", "sum(up)"),
            (r#"up{namespace="{{namespace}}",app="{{name}}"}"#, "web", r#"up{namespace="shop",app="web"}"#),
            (r#"up{app="{{ name }}-{{name}}x"}"#, "web", r#"up{app="web-webx"}"#),
            (r#"up{app="{{name}}"}"#, r#"a"b\c'd`e"#, r#"up{app="a\"b\\c'd`e"}"#),
            ("up{app='{{name}}'}", r#"a"b\c'd`e"#, r#"up{app='a"b\\c\'d`e'}"#),
            ("up{app=`{{name}}`}", r#"a"b\c'd"#, r#"up{app=`a"b\c'd`}"#),
            (r#"up{app="{{name}}"}"#, "a\nb\u{0}", r#"up{app="a\u000ab\u0000"}"#),
            // Regular expressions: the name matches itself only.
            (r#"up{pod=~"{{name}}-.*"}"#, "v1.2", r#"up{pod=~"v1\\.2-.*"}"#),
            ("up{pod!~ `{{name}}-.*`}", "v1.2", r"up{pod!~ `v1\.2-.*`}"),
            ("up{pod=~ # {{it}}\n'{{name}}-.*'}", "v1.2", "up{pod=~ # {{it}}\n'v1\\\\.2-.*'}"),
            (r#"up{pod="{{name}}"}"#, "v1.2", r#"up{pod="v1.2"}"#),
            // What only looks like a word, or like a string.
            (r#"up{a="{{",b="}}",c="\"{{name}}"}"#, "web", r#"up{a="{{",b="}}",c="\"web"}"#),
            (r#"up{a="{\x7bname}}"}"#, "web", r#"up{a="{\x7bname}}"}"#),
            ("up # {{name}} \"{{what}}\n+ up", "web", "up # {{name}} \"{{what}}\n+ up"),
            (r##"up{a="#{{name}}"}"##, "web", r##"up{a="#web"}"##),
            (r#"up{a="{{name}}"#, "web", r#"up{a="web"#),
            ("up{{", "web", "up{{"),
            ("é{{", "web", "é{{"),
            (r#"{{"a"=1"#, "web", r#"{{"a"=1"#),
        ];
        for (query, name, expected) in cases {
            assert_eq!(filled(query, Some("shop"), name), (expected.to_owned(), Vec::new()), "{query}");
        }
    }

    #[test]
    fn what_is_filled_in_is_what_promql_reads() {
        for name in ["web", r#"a"b"#, r"a\b", "a'b", "a`b", "a\nb", "a{b}", r#"x"} or up{a=""#, "\\", "\t\u{7}"] {
            for (before, after) in [(r#"up{a=""#, r#""}"#), ("up{a='", "'}")] {
                let (text, problems) = filled(&format!("{before}{{{{name}}}}{after}"), None, name);
                assert_eq!(problems, Vec::<String>::new());
                let Ok(promql_parser::parser::Expr::VectorSelector(read)) = promql_parser::parser::parse(&text) else {
                    panic!("{text} is one selector")
                };
                let [matcher] = read.matchers.matchers.as_slice() else { panic!("{text} has one matcher") };
                assert_eq!(matcher.value, name, "{text}");
            }
        }
    }

    #[test]
    fn each_other_word_is_a_problem() {
        let known = "{{namespace}} and {{name}} of the target";
        let unknown = format!("is no word that can be filled in: {known} can");
        let cases = [
            (r#"up{a="{{nmae}}",b="{{}}"}"#, vec![format!("{{{{nmae}}}} {unknown}"), format!("{{{{}}}} {unknown}")]),
            (r#"up{a="{{ .Values.app }}"}"#, vec![format!("{{{{ .Values.app }}}} {unknown}")]),
            ("{{name}}_total", vec![format!("{{{{name}}}} stands outside of quotes: {known}")]),
            (r#"up{a="{{namespace}}"}"#, vec!["{{namespace}} needs metadata.namespace".to_owned()]),
            ("up{a=`{{name}}`}", vec!["{{name}} stands for a name with a backquote".to_owned()]),
        ];
        for (query, expected) in cases {
            let (_, problems) = filled(query, None, "a`b");
            assert_eq!(problems.len(), expected.len(), "{query}: {problems:?}");
            for (problem, expected) in problems.iter().zip(&expected) {
                assert!(problem.starts_with(expected.as_str()), "{query}: {problem}");
            }
        }
    }
}
