//! Findings for people and for programs. Owns the layout; judges nothing, and what it writes may hold what stood in the manifest:
//! who prints it makes it safe.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Finding, Level, Place};

/// Characters of a line that are shown around a place.
const SHOWN_CHARS: usize = 100;

/// The findings of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where the object was read.
    pub file: String,
    /// Kind, namespace and name.
    pub title: String,
    /// In their order.
    pub findings: Vec<Finding>,
}

/// The findings at `least` this bad, one paragraph each.
#[must_use]
pub fn text(report: &Report, least: Level) -> String {
    let mut out = String::new();
    for finding in report.findings.iter().filter(|finding| finding.level >= least) {
        paragraph(&mut out, report, finding);
    }
    out
}

fn paragraph(out: &mut String, report: &Report, finding: &Finding) {
    let Finding { level, code, field, message, mend, place } = finding;
    let at = place.as_ref().map(|place| format!(", line {}, column {}", place.line, place.column)).unwrap_or_default();
    let _ = writeln!(out, "{}[{code}]: {message}", level.as_str());
    let _ = writeln!(out, "  --> {}: {}: {field}{at}", report.file, report.title);
    if let Some(place) = place {
        let number = place.line.to_string();
        let (line, column) = excerpt(place);
        let margin = " ".repeat(number.len());
        let _ = writeln!(out, "  {number} | {line}");
        let _ = writeln!(out, "  {margin} | {}{}", " ".repeat(column), "^".repeat(place.length.min(SHOWN_CHARS)));
    }
    if !mend.is_empty() {
        let _ = writeln!(out, "  {mend}");
    }
    out.push('\n');
}

/// The part of the line around the place, and how many characters stand before it.
fn excerpt(place: &Place) -> (String, usize) {
    let (before, length) = (place.column - 1, place.text.chars().count());
    if length <= SHOWN_CHARS {
        return (place.text.clone(), before);
    }
    let start = before.saturating_sub(SHOWN_CHARS / 2);
    let mut shown: String = place.text.chars().skip(start).take(SHOWN_CHARS).collect();
    if start + SHOWN_CHARS < length {
        shown.push('…');
    }
    if start > 0 {
        shown.insert(0, '…');
    }
    (shown, before - start + usize::from(start > 0))
}

/// The findings at `least` this bad, as objects.
#[must_use]
pub fn json(report: &Report, least: Level) -> Vec<Value> {
    let object = |finding: &Finding| {
        let mut object = json!(finding);
        object["file"] = json!(report.file);
        object["object"] = json!(report.title);
        object
    };
    report.findings.iter().filter(|finding| finding.level >= least).map(object).collect()
}
