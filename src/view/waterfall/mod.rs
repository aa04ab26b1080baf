//! One decision as a waterfall: each step that happened, in the order of the arithmetic, with the number it left. Owns the words;
//! every number comes from the published decision, none is decided here.

mod steps;
#[cfg(test)]
pub(crate) mod tests;

use crate::api::status::LastDecision;

use super::text::{date_and_time, safe, wrap};

/// Columns of the whole picture; one less than the narrowest terminal in use, because some break the line at the 80th.
pub const WIDTH: usize = 79;
/// Columns of the number at the end of a line.
const NUMBER: usize = 7;
/// Columns before the number.
const TEXT: usize = WIDTH - NUMBER;

/// What the decision is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The policy, as its reader calls it: `shop/web`.
    pub name: String,
    /// What it scales: `Deployment/web`.
    pub target: String,
}

/// How to draw. The caller knows whether there is a terminal and whether `NO_COLOR` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Colour by ANSI escapes. The words say the same without it.
    pub colour: bool,
}

/// The part that a step plays, for colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Quiet,
    Limit,
    Bad,
    Result,
}

/// One line of the waterfall.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    text: String,
    /// The word that conditions and metrics use for what this step did.
    tag: Option<&'static str>,
    number: Option<i32>,
    tone: Tone,
}

/// The waterfall of `decision` in at most 79 columns, ending in a line break. The last line says how to lift what limited it, or until
/// when it waits, where something did.
#[must_use]
pub fn waterfall(subject: &Subject, decision: &LastDecision, style: Style) -> String {
    let mut out = String::new();
    let change = match decision.direction.as_str() {
        "Up" | "Down" => format!("{} → {}", decision.current_replicas, decision.desired_replicas),
        _ => format!("stays {}", decision.desired_replicas),
    };
    let head = format!("{}  {}", safe(&subject.name), date_and_time(decision.time.0));
    push(&mut out, &padded(&head, &change), Tone::Result, style);
    for step in steps::steps(subject, decision) {
        draw(&mut out, &step, style);
    }
    if let Some(closing) = steps::closing(decision) {
        for (index, line) in wrap(&closing, WIDTH - 4).into_iter().enumerate() {
            let indent = if index == 0 { "  " } else { "    " };
            push(&mut out, &format!("{indent}{line}"), Tone::Limit, style);
        }
    }
    out
}

fn draw(out: &mut String, step: &Step, style: Style) {
    let tag = step.tag.map(|tag| format!("→ {tag}")).unwrap_or_default();
    let room = if tag.is_empty() { TEXT - 2 } else { TEXT - 4 - tag.chars().count() };
    for (index, line) in wrap(&step.text, room.saturating_sub(2)).into_iter().enumerate() {
        if index > 0 {
            push(out, &format!("    {line}"), step.tone, style);
            continue;
        }
        let left = if tag.is_empty() { format!("  {line}") } else { spread(&format!("  {line}"), &tag, TEXT) };
        let number = step.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        push(out, &padded(&left, &number), step.tone, style);
    }
}

/// `left`, and `right` at the right edge.
fn padded(left: &str, right: &str) -> String {
    spread(left, right, WIDTH)
}

fn spread(left: &str, right: &str, width: usize) -> String {
    let gap = width.saturating_sub(left.chars().count() + right.chars().count()).max(1);
    format!("{left}{}{right}", " ".repeat(gap))
}

fn push(out: &mut String, line: &str, tone: Tone, style: Style) {
    let code = match tone {
        Tone::Plain => "",
        Tone::Quiet => "2",
        Tone::Limit => "33",
        Tone::Bad => "31",
        Tone::Result => "1",
    };
    if style.colour && !code.is_empty() {
        out.push_str(&format!("\u{1b}[{code}m{line}\u{1b}[0m\n"));
    } else {
        out.push_str(line);
        out.push('\n');
    }
}
