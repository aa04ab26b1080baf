//! One remark on a policy. Owns its parts; knows no rule.

use serde::Serialize;

use crate::api::resolve::Problem;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; often meant so.
    Note,
    /// Probably not what was meant.
    Warning,
    /// It cannot work.
    Error,
}

impl Level {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Where in a text something stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line of the field's text, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// Characters, at least 1; those on this line only.
    pub length: usize,
    /// The whole line.
    pub text: String,
}

impl Place {
    /// The place of the bytes `at..at + bytes` of `text`.
    pub(super) fn of(text: &str, at: usize, bytes: usize) -> Self {
        let (before, from) = text.split_at_checked(at).unwrap_or((text, ""));
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = from.find('\n').map_or(text.len(), |newline| at + newline);
        let marked = from.get(..bytes.min(end.saturating_sub(at))).unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: before[begin..].chars().count() + 1,
            length: marked.chars().count().max(1),
            text: text[begin..end].trim_end_matches('\r').to_owned(),
        }
    }
}

/// One remark on a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The rule, as `rate-of-gauge`. Never changes its meaning.
    pub code: &'static str,
    /// Path of the field, as `spec.metrics[0].prometheus.query`.
    pub field: String,
    /// What is so, without a full stop.
    pub message: String,
    /// What to do about it, in whole sentences; empty where nothing needs to be done.
    pub mend: String,
    /// Where within the field's text; `None` for the field as a whole, and where it cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Finding {
    pub(super) fn new(level: Level, code: &'static str, field: &str, (message, mend): (String, String)) -> Self {
        Self { level, code, field: field.to_owned(), message, mend, place: None }
    }

    pub(super) fn error(code: &'static str, field: &str, message: String, mend: String) -> Self {
        Self::new(Level::Error, code, field, (message, mend))
    }

    /// What `resolve` refuses. Its sentences have their mend behind the last colon.
    pub(super) fn of_problem(problem: &Problem) -> Self {
        let code = if problem.is_unsupported() { "unsupported" } else { "invalid-spec" };
        let said = if problem.value.is_empty() { String::new() } else { format!("{} ", problem.value) };
        Self::error(code, &problem.field, format!("{said}{}", problem.fix), String::new())
    }

    pub(super) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }
}
