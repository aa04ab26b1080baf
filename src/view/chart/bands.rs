//! The three bands of the chart and their axes. What has no value is not drawn: a gap is hatched, never zero.

use std::fmt::Write as _;

use super::{Axis, LEFT, RIGHT};
use crate::engine::Timestamp;
use crate::view::history::{History, Point, Reason};

/// Edges of what is revealed.
pub(super) const TOP: f64 = METRIC.0;
pub(super) const BOTTOM: f64 = MARKS[1] + 6.0;
/// Top and bottom of each band.
const METRIC: (f64, f64) = (76.0, 196.0);
const REPLICAS: (f64, f64) = (242.0, 362.0);
const REASONS: (f64, f64) = (378.0, 400.0);
/// Base lines of the rescale markers: a second one where the first is taken. And of the time axis.
const MARKS: [f64; 2] = [418.0, 434.0];
const TIMES: f64 = 464.0;

/// A scale from 0 at the bottom of a band to `most` at its top.
struct Scale {
    band: (f64, f64),
    most: f64,
    tick: f64,
}

impl Scale {
    /// A scale that holds `largest` with two to five round ticks.
    fn over(band: (f64, f64), largest: f64) -> Self {
        let largest = if largest.is_finite() { largest.clamp(1.0, 1e300) } else { 1.0 };
        let unit = 10_f64.powf((largest / 4.0).log10().floor()).max(1.0);
        let tick = [1.0, 2.0, 5.0, 10.0]
            .map(|step| step * unit)
            .into_iter()
            .find(|tick| largest / tick <= 4.5)
            .unwrap_or(largest);
        Self { band, most: largest * 1.06, tick }
    }

    fn y(&self, value: f64) -> f64 {
        self.band.1 - (value / self.most).clamp(0.0, 1.0) * (self.band.1 - self.band.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let tick = self.tick;
        (0..8_u8).map(move |n| f64::from(n) * tick).take_while(|value| *value <= self.most)
    }
}

fn scales(history: &History) -> (Scale, Scale) {
    let values = history.points().flat_map(|point| [point.value, point.target_total]).flatten().fold(0.0, f64::max);
    let sizes =
        history.points().flat_map(|point| [point.raw.unwrap_or(0), point.applied, point.running]).max().unwrap_or(1);
    // An upper bound far above everything else would press the lines into the floor.
    let bound =
        history.points().map(|point| point.max).max().filter(|&max| max <= sizes.saturating_mul(2)).unwrap_or(sizes);
    (Scale::over(METRIC, values), Scale::over(REPLICAS, f64::from(sizes.max(bound))))
}

/// Everything that moves with time.
pub(super) fn data(out: &mut String, history: &History, axis: &Axis) {
    let (metric, replicas) = scales(history);
    let replica = |pick: fn(&Point) -> Option<i32>| move |point: &Point| pick(point).map(f64::from);
    gaps(out, history, axis);
    let mut path = |class: &str, d: String| {
        if !d.is_empty() {
            let _ = writeln!(out, "<path class=\"{class}\" d=\"{d}\"/>");
        }
    };
    path("target", steps(history, axis, &metric, |point| point.target_total));
    path("value", slopes(history, axis, &metric));
    path("run", area(history, axis, &replicas, |point| Some((0, point.running))));
    path("held", area(history, axis, &replicas, |point| point.raw.map(|raw| (point.applied, raw))));
    path("stab", steps(history, axis, &replicas, replica(|point| point.stabilized)));
    path("applied", steps(history, axis, &replicas, replica(|point| Some(point.applied))));
    path("raw", steps(history, axis, &replicas, replica(|point| point.raw)));
    strip(out, history, axis);
    marks(out, history, axis);
}

fn gaps(out: &mut String, history: &History, axis: &Axis) {
    for (from, until) in history.gaps() {
        let (left, right) = (axis.x(from), axis.x(until));
        let _ = writeln!(
            out,
            "<rect class=\"gap\" x=\"{left:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\"/>",
            METRIC.0,
            right - left,
            METRIC.1 - METRIC.0
        );
        if right - left >= 60.0 {
            let (middle, y) = (f64::midpoint(left, right), METRIC.0 + 26.0);
            let _ = writeln!(out, "<text class=\"gapword\" x=\"{middle:.1}\" y=\"{y}\">✕ no data</text>");
        }
    }
}

/// When the number of `points[index]` ends: at the next point, the last at its own instant.
fn until(points: &[&Point], index: usize) -> Timestamp {
    points.get(index + 1).or(points.get(index)).map_or_else(Timestamp::default, |point| point.at)
}

fn steps(history: &History, axis: &Axis, scale: &Scale, pick: impl Fn(&Point) -> Option<f64>) -> String {
    let points: Vec<&Point> = history.points().collect();
    let mut d = String::new();
    let mut before: Option<f64> = None;
    for (index, point) in points.iter().enumerate() {
        let Some(value) = pick(point) else {
            before = None;
            continue;
        };
        let (x, y) = (axis.x(point.at), scale.y(value));
        match before {
            None => drop(write!(d, "M{x:.1} {y:.1}")),
            Some(before) if before.total_cmp(&value).is_ne() => drop(write!(d, "H{x:.1}V{y:.1}")),
            Some(_) => {}
        }
        // A level line is drawn to the end of the last point that has it.
        if points.get(index + 1).and_then(|next| pick(next)).is_none_or(|next| next.total_cmp(&value).is_ne()) {
            let _ = write!(d, "H{:.1}", axis.x(until(&points, index)));
        }
        before = Some(value);
    }
    d
}

fn slopes(history: &History, axis: &Axis, scale: &Scale) -> String {
    let mut d = String::new();
    let mut pen = 'M';
    for point in history.points() {
        match point.value {
            Some(value) => {
                let _ = write!(d, "{pen}{:.1} {:.1}", axis.x(point.at), scale.y(value));
                pen = 'L';
            }
            None => pen = 'M',
        }
    }
    d
}

/// Boxes between two numbers of each point.
fn area(history: &History, axis: &Axis, scale: &Scale, pick: impl Fn(&Point) -> Option<(i32, i32)>) -> String {
    let points: Vec<&Point> = history.points().collect();
    let mut d = String::new();
    // (left, right, low, high): neighbours of one height are one box, so that no seams show.
    let mut open: Option<(f64, f64, i32, i32)> = None;
    let close = |open: Option<(f64, f64, i32, i32)>, d: &mut String| {
        if let Some((left, right, low, high)) = open.filter(|(_, _, low, high)| low != high) {
            let (from, to) = (scale.y(f64::from(low)), scale.y(f64::from(high)));
            let _ = write!(d, "M{left:.1} {from:.1}H{right:.1}V{to:.1}H{left:.1}Z");
        }
    };
    for (index, point) in points.iter().enumerate() {
        let right = axis.x(until(&points, index));
        open = match (pick(point), open) {
            (Some((low, high)), Some((left, _, l, h))) if (low, high) == (l, h) => Some((left, right, l, h)),
            (picked, before) => {
                close(before, &mut d);
                picked.map(|(low, high)| (axis.x(point.at), right, low, high))
            }
        };
    }
    close(open, &mut d);
    d
}

/// Class and texture of a reason.
const fn look(reason: Reason) -> (&'static str, bool) {
    match reason {
        Reason::Free | Reason::Tolerance => ("Free", false),
        Reason::UpPolicy => ("Up", false),
        Reason::DownPolicy => ("Up", true),
        Reason::Max => ("Bound", false),
        Reason::Min => ("Bound", true),
        Reason::Window => ("Window", false),
        Reason::Missing => ("Lost", true),
        Reason::Disabled | Reason::Paused | Reason::DryRun => ("Other", true),
    }
}

fn strip(out: &mut String, history: &History, axis: &Axis) {
    let (top, height) = (REASONS.0, REASONS.1 - REASONS.0);
    for (from, until, reason) in history.reasons() {
        let (left, width) = (axis.x(from), axis.x(until) - axis.x(from));
        let (class, texture) = look(reason);
        let (y, height) = if class == "Free" { (top + 8.0, 6.0) } else { (top, height) };
        for class in [Some(class), texture.then_some("tex")].into_iter().flatten() {
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"{height}\" rx=\"2\"/>",
                (width - 1.0).max(0.5)
            );
        }
        // 6.3 is the width of a letter at this size, measured generously.
        let fits = |word: &&str| f64::from(u32::try_from(word.len()).unwrap_or(u32::MAX)) * 6.3 + 6.0 <= width;
        if let Some(word) =
            [reason.word(), reason.short()].into_iter().find(fits).filter(|word| !word.is_empty() && class != "Free")
        {
            let _ = writeln!(
                out,
                "<text class=\"word\" x=\"{:.1}\" y=\"{}\">{word}</text>",
                left + width / 2.0,
                top + 15.0
            );
        }
    }
}

/// One marker a change with the sizes before and after: its arrow alone where there is no room for them.
fn marks(out: &mut String, history: &History, axis: &Axis) {
    let mut free_from = [f64::MIN; 2];
    for point in history.points().filter(|point| point.change != 0) {
        let arrow = if point.change > 0 { '▲' } else { '▼' };
        let whole = format!("{arrow} {}→{}", point.applied.saturating_sub(point.change), point.applied);
        let half = |text: &str| 4.2 * f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        let place = |text: String| {
            let x = axis.x(point.at).max(LEFT + half(&text)).min(RIGHT - half(&text));
            let row = free_from.iter().position(|&free| x - half(&text) >= free)?;
            Some((x, row, text))
        };
        if let Some((x, row, text)) = place(whole).or_else(|| place(arrow.to_string())) {
            let _ = writeln!(out, "<text class=\"mark\" x=\"{x:.1}\" y=\"{}\">{text}</text>", MARKS[row]);
            free_from[row] = x + half(&text) + 2.0;
        }
    }
}

/// The lines behind the data, and on the curtain that hides it.
pub(super) fn grid(out: &mut String, history: &History) {
    let (metric, replicas) = scales(history);
    for scale in [&metric, &replicas] {
        for value in scale.ticks() {
            let class = if value == 0.0 { "axis" } else { "grid" };
            let _ = writeln!(out, "<path class=\"{class}\" d=\"M{LEFT} {:.1}H{RIGHT}\"/>", scale.y(value));
        }
    }
    for (class, bound) in bounds(history) {
        let _ = writeln!(out, "<path class=\"{class}\" d=\"M{LEFT} {:.1}H{RIGHT}\"/>", replicas.y(f64::from(bound)));
    }
}

/// The bounds that lie within the scale, by their class.
fn bounds(history: &History) -> Vec<(&'static str, i32)> {
    let (_, replicas) = scales(history);
    let Some(last) = history.last() else { return Vec::new() };
    [("max", last.max), ("min", last.min)].into_iter().filter(|&(_, bound)| f64::from(bound) <= replicas.most).collect()
}

/// Numbers, names and legends: what stands still.
pub(super) fn frame(out: &mut String, history: &History, axis: &Axis, metric_name: &str) {
    let (metric, replicas) = scales(history);
    for scale in [&metric, &replicas] {
        for value in scale.ticks() {
            let _ = writeln!(
                out,
                "<text class=\"num\" x=\"{}\" y=\"{:.1}\">{value}</text>",
                LEFT - 8.0,
                scale.y(value) + 4.0
            );
        }
    }
    for (class, bound) in bounds(history) {
        let y = replicas.y(f64::from(bound)) + if class == "max" { -4.0 } else { 12.0 };
        let _ = writeln!(out, "<text class=\"halo\" x=\"{}\" y=\"{y:.1}\">{class} {bound}</text>", LEFT + 4.0);
    }
    legend(out, METRIC.0 - 14.0, metric_name, &[("value", "value"), ("target", "target × replicas")]);
    let lines = [("raw", "recommended"), ("stab", "after windows"), ("applied", "applied"), ("run", "ready pods")];
    legend(out, REPLICAS.0 - 14.0, "replicas", &lines);
    let _ = writeln!(out, "<text class=\"num\" x=\"{}\" y=\"{}\">limit</text>", LEFT - 8.0, REASONS.0 + 15.0);
    times(out, axis);
}

fn legend(out: &mut String, y: f64, title: &str, lines: &[(&str, &str)]) {
    let _ = writeln!(out, "<text class=\"band\" x=\"{LEFT}\" y=\"{y}\">{title}</text>");
    let width = |name: &str| 44.0 + 7.6 * f64::from(u32::try_from(name.chars().count()).unwrap_or(u32::MAX));
    let mut x = RIGHT - lines.iter().map(|(_, name)| width(name)).sum::<f64>() + 16.0;
    for (class, name) in lines {
        let _ = match *class {
            "run" => {
                writeln!(out, "<rect class=\"run\" x=\"{x:.1}\" y=\"{:.1}\" width=\"24\" height=\"12\"/>", y - 10.0)
            }
            _ => writeln!(out, "<path class=\"{class}\" d=\"M{x:.1} {:.1}h24\"/>", y - 4.0),
        };
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{y}\">{name}</text>", x + 29.0);
        x += width(name);
    }
}

/// Seconds or minutes since the first point.
#[allow(clippy::cast_precision_loss)] // labels of one picture
fn times(out: &mut String, axis: &Axis) {
    let seconds = axis.end.saturating_sub(axis.start) as f64 / 1000.0;
    let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0];
    let step = steps.into_iter().find(|step| seconds / step <= 8.0).unwrap_or(seconds / 8.0);
    for tick in 0..9_u8 {
        let at = f64::from(tick) * step;
        if at > seconds || step <= 0.0 {
            break;
        }
        let x = LEFT + at / seconds.max(0.001) * (RIGHT - LEFT);
        let label = match step {
            step if step >= 3600.0 => format!("{:.0} h", at / 3600.0),
            step if step >= 60.0 => format!("{:.0} min", at / 60.0),
            _ => format!("{at:.0} s"),
        };
        let _ = writeln!(out, "<path class=\"axis\" d=\"M{x:.1} {}v4\"/>", TIMES - 18.0);
        let class = if x > RIGHT - 12.0 { "num" } else { "mid" };
        let _ = writeln!(out, "<text class=\"{class}\" x=\"{:.1}\" y=\"{TIMES}\">{label}</text>", x.min(RIGHT));
    }
    let _ = writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {0}H{RIGHT}\"/>", TIMES - 18.0);
}
