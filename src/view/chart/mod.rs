//! The core plot as a self-contained SVG: metric, replicas and reasons over one time axis, still or revealed in a loop. Owns its
//! geometry and its style sheet; must not fetch, script or decide. Line styles and words say what colour says.

mod bands;
mod sheet;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::history::History;
use super::text::safe;
use crate::engine::Timestamp;

/// Size of the picture in its own units; it scales.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 480.0;
/// The plots' left and right edge.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 784.0;
/// Seconds of one loop: a dozen sentences can be read in it. The last fifth stands still, so that the end can be read too.
const LOOP_SECONDS: f64 = 20.0;
const REVEALED: f64 = 0.8;
/// Most points that are drawn; beyond, every n-th is. Keeps any picture under 300 kB.
const MOST_POINTS: usize = 800;

/// Most sentences that a picture tells; what comes after is left out, so that each can be read.
pub const MOST_BEATS: usize = 12;

/// A sentence that is shown from an instant on, until the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// When it begins.
    pub at: Timestamp,
    /// What is told.
    pub text: String,
}

/// What stands around the plot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The headline: `Deployment/web`.
    pub title: String,
    /// What the metric is, with its unit: `requests per second`.
    pub metric: String,
    /// The story, in order, of which [`MOST_BEATS`] are told. A still picture shows none of it.
    pub beats: Vec<Beat>,
}

/// The plot of `history` as it stands.
#[must_use]
pub fn still(history: &History, frame: &Frame) -> String {
    document(history, frame, false)
}

/// The plot of `history`, revealed from left to right in 16 s and again. Stands still where the reader prefers reduced motion.
#[must_use]
pub fn animated(history: &History, frame: &Frame) -> String {
    document(history, frame, true)
}

/// The time axis of one picture.
struct Axis {
    start: i64,
    end: i64,
}

impl Axis {
    #[allow(clippy::cast_precision_loss)] // a picture has fewer pixels than f64 has digits
    fn x(&self, at: Timestamp) -> f64 {
        let share =
            at.as_millis().saturating_sub(self.start) as f64 / self.end.saturating_sub(self.start).max(1) as f64;
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }
}

fn document(history: &History, frame: &Frame, moving: bool) -> String {
    let thinned = thin(history);
    let (start, end) = thinned.span().unwrap_or_default();
    let axis = Axis { start: start.as_millis(), end: end.as_millis() };
    let mut out = String::with_capacity(64 * 1024);
    let title = escape(&frame.title);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t d\">\n\
         <title id=\"t\">{title}</title>\n<desc id=\"d\">{}</desc>\n<style>{}",
        escape(&description(&thinned, frame)),
        sheet::STYLE
    );
    if moving {
        out.push_str(&sheet::motion(&beats(frame, &axis)));
    }
    let _ = write!(
        out,
        "</style>\n{}\n<rect class=\"bg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"10\"/>\n\
         <text class=\"title\" x=\"20\" y=\"30\">{title}</text>\n",
        sheet::PATTERNS
    );
    if thinned.is_empty() {
        let _ = write!(out, "<text class=\"note\" x=\"{LEFT}\" y=\"200\">No decision yet.</text>\n</svg>\n");
        return out;
    }
    bands::grid(&mut out, &thinned);
    bands::data(&mut out, &thinned, &axis);
    if moving {
        // The clip keeps the lines of the moving curtain out of the margin.
        let (top, height) = (bands::TOP - 4.0, bands::BOTTOM - bands::TOP + 8.0);
        let _ = writeln!(
            out,
            "<clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{height}\"/></clipPath>",
            RIGHT - LEFT + 2.0
        );
        let _ = writeln!(
            out,
            "<g clip-path=\"url(#plot)\"><g class=\"curtain\"><rect class=\"bg\" x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{height}\"/>",
            WIDTH - LEFT - 2.0
        );
        bands::grid(&mut out, &thinned);
        let _ = writeln!(out, "<path class=\"head\" d=\"M{LEFT} {top}v{height}\"/></g></g>");
    }
    bands::frame(&mut out, &thinned, &axis, &escape(&frame.metric));
    if moving {
        for (index, (_, text)) in beats(frame, &axis).iter().enumerate() {
            let _ = writeln!(out, "<text class=\"beat b{index}\" x=\"780\" y=\"30\">{}</text>", escape(text));
        }
    }
    out.push_str("</svg>\n");
    out
}

/// The beats with the share of the reveal at which each begins.
fn beats(frame: &Frame, axis: &Axis) -> Vec<(f64, String)> {
    let share = |beat: &Beat| (axis.x(beat.at) - LEFT) / (RIGHT - LEFT);
    frame.beats.iter().take(MOST_BEATS).map(|beat| (share(beat), beat.text.clone())).collect()
}

/// Every n-th point where there are too many, and each that moved.
fn thin(history: &History) -> History {
    let every = history.points().len().div_ceil(MOST_POINTS).max(1);
    let mut thinned = History::new(History::MOST);
    let last = history.points().len().saturating_sub(1);
    for (index, point) in history.points().enumerate() {
        if index % every == 0 || index == last {
            thinned.push(point.clone());
        }
    }
    thinned
}

/// The picture in words, for those who do not see it.
fn description(history: &History, frame: &Frame) -> String {
    let Some((start, end)) = history.span() else { return "No decision yet.".to_owned() };
    let seconds = end.millis_since(start) / 1000;
    let most = history.points().map(|point| point.applied).max().unwrap_or_default();
    let changes = history.points().filter(|point| point.change != 0).count();
    let mut reasons: Vec<&str> =
        history.reasons().iter().map(|(_, _, reason)| reason.word()).filter(|word| !word.is_empty()).collect();
    reasons.dedup();
    let told: Vec<&str> = frame.beats.iter().map(|beat| beat.text.as_str()).collect();
    format!(
        "{} against its target, and replicas as recommended, stabilized and applied, over {seconds} s: {changes} changes of size, at most \
         {most} replicas; limited by: {}. {}",
        frame.metric,
        if reasons.is_empty() { "nothing".to_owned() } else { reasons.join(", ") },
        told.join(" ")
    )
}

/// `text` for XML and for eyes.
fn escape(text: &str) -> String {
    safe(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
