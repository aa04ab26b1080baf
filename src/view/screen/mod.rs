//! The live screen of the demo: one frame from one [`Scene`]. Owns what goes where; must not read keys, time or data. Every size of
//! terminal is drawn without panic: what does not fit is left out, the plot last.

mod plot;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::history::{History, Point, Reason};
use super::text::{safe, shorten};
use crate::engine::Timestamp;

/// Columns left of the plots: axis labels and the axis. The strip and the pods stand under the plots.
const MARGIN: u16 = 7;
/// Below this there is room for words only.
const SMALLEST_PLOT: (u16, u16) = (40, 16);
/// From this height on the last decision is shown step by step.
const WATERFALL_HEIGHT: u16 = 36;

/// Everything that one frame shows.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// What is running, in one line.
    pub title: String,
    /// Further lines of the header: which windows are short and what production's defaults are. The first is shown on every size.
    pub notes: Vec<String>,
    /// What the story is telling now, in one line.
    pub caption: String,
    /// What the metric is, with its unit: `requests per second`.
    pub metric: String,
    /// The decisions so far.
    pub history: &'a History,
    /// The present instant: the right edge of the time axis.
    pub now: Timestamp,
    /// Seconds that the time axis spans, above 0.
    pub span_seconds: u16,
    /// The last decision as [`super::waterfall()`] draws it without colour.
    pub waterfall: Option<String>,
    /// Keys and what they do: `("s", "spike")`.
    pub keys: Vec<(String, String)>,
    /// Whether to use colour; the picture says the same without.
    pub colour: bool,
}

impl Scene<'_> {
    fn paint(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// The time axis: milliseconds at its left and right edge. It fills from the left, then moves.
    fn axis(&self) -> (i64, i64) {
        let span = i64::from(self.span_seconds.max(1)) * 1000;
        let start = self.history.span().map_or(self.now.as_millis(), |(first, _)| first.as_millis());
        let end = self.now.as_millis().max(start.saturating_add(span));
        (end.saturating_sub(span), end)
    }
}

/// Draws `scene` over the whole frame.
pub fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) {
    let area = frame.area();
    if area.width < SMALLEST_PLOT.0 || area.height < SMALLEST_PLOT.1 {
        return words_only(frame, scene, area);
    }
    let notes = if area.height >= WATERFALL_HEIGHT { scene.notes.len() } else { scene.notes.len().min(1) };
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::try_from(notes.min(4)).unwrap_or(4)),
        Constraint::Length(1),
        Constraint::Fill(5),
        Constraint::Fill(6),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(below(scene, area.height)),
        Constraint::Length(1),
    ])
    .split(area);
    let [title, head, caption, metric, replicas, strip, pods, log, keys] = rows[..] else { return };
    line(frame, title, Line::styled(clean(&scene.title, area.width), Style::new().add_modifier(Modifier::BOLD)));
    let note = |text: &String| Line::styled(clean(text, area.width), scene.paint(Color::DarkGray));
    frame.render_widget(Paragraph::new(scene.notes.iter().map(note).collect::<Vec<_>>()), head);
    let told = format!("▶ {}", safe(&scene.caption));
    line(frame, caption, Line::styled(clean(&told, area.width), scene.paint(Color::Yellow)));
    plot::metric(frame, scene, metric);
    plot::replicas(frame, scene, replicas);
    line(frame, strip, reasons(scene, strip.width));
    line(frame, pods, pod_blocks(scene, pods.width));
    match &scene.waterfall {
        Some(waterfall) if area.height >= WATERFALL_HEIGHT => steps(frame, scene, (log, waterfall)),
        _ => decisions(frame, scene, log),
    }
    line(frame, keys, key_hints(scene));
}

/// Rows for what stands below the plots.
fn below(scene: &Scene<'_>, height: u16) -> u16 {
    match &scene.waterfall {
        Some(waterfall) if height >= WATERFALL_HEIGHT => {
            u16::try_from(waterfall.lines().count()).unwrap_or(u16::MAX).saturating_add(1).clamp(8, 14)
        }
        _ => (height / 5).clamp(3, 12),
    }
}

fn line(frame: &mut Frame<'_>, area: Rect, line: Line<'_>) {
    frame.render_widget(Paragraph::new(line), area);
}

fn clean(text: &str, width: u16) -> String {
    shorten(&safe(text), usize::from(width))
}

fn words_only(frame: &mut Frame<'_>, scene: &Scene<'_>, area: Rect) {
    let state = scene.history.last().map_or_else(String::new, |point| {
        format!("{} of {} ready, max {} {}", point.running, point.applied, point.max, point.reason.word())
    });
    let lines: Vec<Line<'_>> = [state, scene.caption.clone(), scene.title.clone()]
        .iter()
        .map(|text| Line::raw(clean(text, area.width)))
        .chain(std::iter::once(key_hints(scene)))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn reason_colour(reason: Reason) -> Color {
    match reason {
        Reason::Free | Reason::Tolerance => Color::Green,
        Reason::UpPolicy | Reason::DownPolicy => Color::Yellow,
        Reason::Max | Reason::Min => Color::Magenta,
        Reason::Window => Color::Cyan,
        Reason::Missing => Color::Red,
        Reason::Disabled | Reason::Paused | Reason::DryRun => Color::Blue,
    }
}

/// One texture a reason, so that neighbours are told apart without colour.
const fn reason_fill(reason: Reason) -> char {
    match reason {
        Reason::Free | Reason::Tolerance => '─',
        Reason::UpPolicy => '╱',
        Reason::DownPolicy => '╲',
        Reason::Max => '█',
        Reason::Min => '▄',
        Reason::Window => '▒',
        Reason::Missing => '×',
        Reason::Disabled | Reason::Paused | Reason::DryRun => '░',
    }
}

/// What limited, under the time axis: each stretch in its colour, with its word where that fits.
fn reasons(scene: &Scene<'_>, width: u16) -> Line<'static> {
    let columns = usize::from(width.saturating_sub(MARGIN));
    let (start, end) = scene.axis();
    let column = |at: Timestamp| {
        let from_left = i128::from(at.as_millis().clamp(start, end)) - i128::from(start);
        let span = i128::from(end.saturating_sub(start).max(1));
        usize::try_from(from_left * columns as i128 / span).unwrap_or(0)
    };
    let mut spans = vec![Span::raw(format!("{:>w$} ", "limit", w = usize::from(MARGIN) - 1))];
    let mut used = 0;
    let stretches = scene.history.reasons();
    for (index, (_, until, reason)) in stretches.iter().enumerate() {
        let until = if index + 1 == stretches.len() { scene.now } else { *until };
        let Some(cells) = column(until).checked_sub(used).filter(|&cells| cells > 0) else { continue };
        used += cells;
        let fill = reason_fill(*reason);
        let fits = |word: &&str| word.chars().count() < cells;
        let word = [reason.word(), reason.short()].into_iter().find(fits).unwrap_or_default();
        let rest = cells.saturating_sub(word.chars().count());
        let style = scene.paint(reason_colour(*reason));
        let lead = usize::from(!word.is_empty() && rest > 0);
        spans.push(Span::styled(fill.to_string().repeat(lead), style));
        spans.push(Span::styled(word, style.add_modifier(Modifier::BOLD)));
        spans.push(Span::styled(fill.to_string().repeat(rest - lead), style));
    }
    Line::from(spans)
}

/// One block a pod: ready, starting, leaving, and free places up to the upper bound.
fn pod_blocks(scene: &Scene<'_>, width: u16) -> Line<'static> {
    let Some(point) = scene.history.last() else { return Line::raw("  pods waiting for the first decision") };
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    let (running, applied, max) = (count(point.running), count(point.applied), count(point.max));
    let (ready, starting) = (running.min(applied), applied.saturating_sub(running));
    let (leaving, free) = (running.saturating_sub(applied), max.saturating_sub(running.max(applied)));
    let words = format!("  {running} of {applied} ready, {} to {}", point.min, point.max);
    let mut spans = vec![Span::raw(format!("{:>w$} ", "pods", w = usize::from(MARGIN) - 1))];
    let room = usize::from(width).saturating_sub(usize::from(MARGIN) + words.chars().count());
    if (running.max(applied).max(max)) * 2 <= room {
        let kinds = [
            ("■ ", ready, Color::Green),
            ("□ ", starting, Color::Yellow),
            ("▪ ", leaving, Color::Red),
            ("· ", free, Color::DarkGray),
        ];
        spans.extend(
            kinds.iter().map(|(block, number, colour)| Span::styled(block.repeat(*number), scene.paint(*colour))),
        );
    }
    spans.push(Span::raw(words));
    Line::from(spans)
}

/// The decisions that changed something, or whose reason changed, newest first.
fn decisions(frame: &mut Frame<'_>, scene: &Scene<'_>, area: Rect) {
    let block = Block::new().borders(Borders::TOP).title(" decisions ");
    let rows = usize::from(area.height.saturating_sub(1));
    let mut told: Vec<&Point> = Vec::new();
    let mut before: Option<&Point> = None;
    for point in scene.history.points() {
        if point.change != 0 || before.is_none_or(|before| before.reason != point.reason) {
            told.push(point);
        }
        before = Some(point);
    }
    let lines: Vec<Line<'_>> = told.iter().rev().take(rows).map(|point| decision(scene, point, area.width)).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn decision(scene: &Scene<'_>, point: &Point, width: u16) -> Line<'static> {
    let ago = scene.now.millis_since(point.at).max(0) / 1000;
    let mark = match point.change {
        0 => "=",
        change if change > 0 => "▲",
        _ => "▼",
    };
    let size = if point.change == 0 {
        format!("{}", point.applied)
    } else {
        format!("{}→{}", point.applied.saturating_sub(point.change), point.applied)
    };
    let head = format!("{ago:>4} s ago {mark} {size:<6}");
    let word = format!("{:<17}", point.reason.word());
    let room = usize::from(width).saturating_sub(head.chars().count() + word.chars().count() + 1);
    // A sentence cut to a few letters says nothing.
    let message = if room < 20 { String::new() } else { format!(" {}", shorten(&point.message, room)) };
    let word = Span::styled(word, scene.paint(reason_colour(point.reason)));
    Line::from(vec![Span::raw(head), word, Span::raw(message)])
}

fn steps(frame: &mut Frame<'_>, scene: &Scene<'_>, (area, waterfall): (Rect, &str)) {
    let columns = Layout::horizontal([Constraint::Length(80), Constraint::Fill(1)]).split(area);
    let [left, right] = columns[..] else { return };
    let block = Block::new().borders(Borders::TOP).title(" last decision ");
    let lines: Vec<Line<'_>> = waterfall.lines().map(|text| Line::raw(clean(text, left.width))).collect();
    frame.render_widget(Paragraph::new(lines).block(block), left);
    if right.width >= 30 {
        decisions(frame, scene, right);
    }
}

fn key_hints(scene: &Scene<'_>) -> Line<'static> {
    let mut spans = Vec::new();
    for (key, what) in &scene.keys {
        spans.push(Span::styled(format!(" {} ", safe(key)), Style::new().add_modifier(Modifier::REVERSED)));
        spans.push(Span::raw(format!(" {}  ", safe(what))));
    }
    Line::from(spans)
}
