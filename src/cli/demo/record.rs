//! What was decided in the course of a demo, and the words for it: the line of one decision, the closing table, the captions of the
//! picture. Renders published decisions; must not compute replicas.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::api::publish;
use crate::api::status::LastDecision;
use crate::engine::Timestamp;
use crate::sandbox::{Load, World};
use crate::telemetry::PolicyReport;
use crate::view::chart::{self, Frame};
use crate::view::{History, Point, Reason};

use super::stage::WINDOW_SECONDS;
use super::story;

/// The head of the lines that [`Record::line`] makes.
pub(super) const COLUMNS: &str = "  time  replicas  requests/s  target  raw  stabilized  limited  latency  why";

/// Seconds of the story for which the picture shows a caption at least, so that it can be read.
const CAPTION_SECONDS: i64 = 3;

/// Everything that was decided so far. Bounded: the history is a ring, the captions are only kept as long as the picture has room.
#[derive(Debug)]
pub(super) struct Record {
    start: Timestamp,
    history: History,
    captions: Vec<chart::Beat>,
    caption: &'static str,
    reasons: Vec<Reason>,
    decisions: u64,
    rescales: (u64, u64),
    highest: i32,
    held_millis: i64,
    wrong_scale_downs: u64,
}

impl Record {
    /// A record that begins at `start` and keeps the last `limit` decisions.
    pub(super) fn new(start: Timestamp, limit: usize) -> Self {
        Self {
            start,
            history: History::new(limit),
            captions: Vec::new(),
            caption: "",
            reasons: Vec::new(),
            decisions: 0,
            rescales: (0, 0),
            highest: 0,
            held_millis: 0,
            wrong_scale_downs: 0,
        }
    }

    /// The decisions.
    pub(super) const fn history(&self) -> &History {
        &self.history
    }

    /// What the story is telling now.
    pub(super) const fn caption(&self) -> &'static str {
        self.caption
    }

    /// Seconds since the start.
    #[allow(clippy::cast_precision_loss)] // a demo has fewer milliseconds than f64 has digits
    pub(super) fn seconds(&self, at: Timestamp) -> f64 {
        at.millis_since(self.start) as f64 / 1000.0
    }

    /// Something happens at `at`, and this is how it is told.
    pub(super) fn tell(&mut self, at: Timestamp, caption: &'static str) {
        self.caption = caption;
        if self.captions.len() < chart::MOST_BEATS {
            self.captions.push(chart::Beat { at, text: caption.to_owned() });
        }
    }

    /// Takes in `report` if its decision is new. Answers with the line for it where it says something new: another size, or another
    /// reason for the same.
    pub(super) fn take_in(&mut self, report: &PolicyReport, load: Option<Load>) -> Option<String> {
        let decision = &publish::last_decision(&report.policy, &report.trace);
        let ready = report.ready_replicas.unwrap_or(decision.current_replicas);
        // Published times are whole seconds, the trace knows better.
        let point = Point { at: report.trace.at, ..Point::new(decision, ready) };
        let before = self.history.last();
        if before.is_some_and(|before| before.at >= point.at) {
            return None;
        }
        let other_reason = before.is_none_or(|before| before.reason != point.reason);
        if let Some(gap) = before.filter(|before| before.value.is_none()) {
            self.held_millis += point.at.millis_since(gap.at);
        }
        self.count(&point);
        if other_reason && let Some(remark) = story::remark(point.reason) {
            self.tell(point.at, remark);
        }
        let line = (other_reason || point.change != 0).then(|| self.line(&point, decision, load));
        self.history.push(point);
        line
    }

    fn count(&mut self, point: &Point) {
        self.decisions += 1;
        self.rescales.0 += u64::from(point.change > 0);
        self.rescales.1 += u64::from(point.change < 0);
        self.highest = self.highest.max(point.applied);
        self.wrong_scale_downs += u64::from(point.change < 0 && self.is_wrong(point));
        if !point.reason.word().is_empty() && !self.reasons.contains(&point.reason) {
            self.reasons.push(point.reason);
        }
    }

    /// Whether a smaller size was wrong by what was known: there was no data, or within the window more had been asked for. This
    /// looks at what was recorded, so it would notice if the controller forgot.
    fn is_wrong(&self, point: &Point) -> bool {
        let recent = |past: &&Point| point.at.millis_since(past.at) < WINDOW_SECONDS * 1000;
        let asked = self.history.points().rev().take_while(recent).chain([point]).filter_map(|past| past.raw).max();
        point.value.is_none() || asked.is_none_or(|asked| point.applied < asked.min(point.max))
    }

    fn line(&self, point: &Point, decision: &LastDecision, load: Option<Load>) -> String {
        let time = self.seconds(point.at);
        let size = match point.change {
            0 => point.applied.to_string(),
            _ => format!("{} → {}", decision.current_replicas, decision.desired_replicas),
        };
        let number = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.0}"));
        let count = |value: Option<i32>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let latency = load.map_or_else(|| "-".to_owned(), |load| format!("{:.2} s", load.latency_seconds));
        let (value, target) = (number(point.value), number(point.target_total));
        let (raw, stabilized) = (count(point.raw), count(point.stabilized));
        format!(
            "{time:>6.1}  {size:<8}  {value:>10}  {target:>6}  {raw:>3}  {stabilized:>10}  {:>7}  {latency:>7}  {}",
            point.applied,
            why(point.reason, decision)
        )
    }

    /// The closing table.
    pub(super) fn table(&self, world: &World) -> String {
        let words: Vec<&str> = self.reasons.iter().map(|reason| reason.word()).collect();
        let requests = Requests::of(world);
        let (up, down) = self.rescales;
        let held_seconds = (self.held_millis + 500) / 1000;
        let rows = [
            ("decisions", self.decisions.to_string()),
            ("rescales", format!("{}, {up} up and {down} down", up + down)),
            ("highest", format!("{} replicas", self.highest)),
            ("limits hit", if words.is_empty() { "none".to_owned() } else { words.join(", ") }),
            ("held without data", format!("{held_seconds} s")),
            ("wrong scale-downs", self.wrong_scale_downs.to_string()),
            ("requests to the API server", requests.to_string()),
            ("requests to Prometheus", world.prometheus.queries().to_string()),
        ];
        let mut out = String::new();
        for (name, value) in rows {
            let _ = writeln!(out, "{name:<27} {value}");
        }
        out
    }

    /// What stands around the picture.
    pub(super) fn frame(&self) -> Frame {
        let mut beats = self.captions.clone();
        for index in 1..beats.len() {
            beats[index].at = beats[index].at.max(beats[index - 1].at.plus_seconds(CAPTION_SECONDS));
        }
        Frame { title: "Flyball scales Deployment/web".into(), metric: "requests per second".into(), beats }
    }
}

/// The reason of a decision with its numbers.
fn why(reason: Reason, decision: &LastDecision) -> String {
    let proposal = decision.proposals.first();
    let rate = decision.rate_limit.as_ref();
    let policy = rate.and_then(|rate| rate.policy.as_deref()).unwrap_or("the policy");
    let allowed = rate.map_or(decision.desired_replicas, |rate| rate.replicas);
    let ratio = proposal.and_then(|proposal| proposal.ratio.as_deref()).unwrap_or("unknown");
    match reason {
        Reason::Free => format!("free: ratio {ratio}"),
        Reason::Tolerance => {
            let tolerance = proposal.and_then(|proposal| proposal.tolerance.as_deref()).unwrap_or("unknown");
            format!("within tolerance: ratio {ratio}, tolerance {tolerance}")
        }
        Reason::UpPolicy => format!("scaleUp policy: at most {allowed} by {policy}"),
        Reason::DownPolicy => format!("scaleDown policy: at least {allowed} by {policy}"),
        Reason::Max => format!("at max: {} by maxReplicas", decision.max_replicas),
        Reason::Min => format!("at min: {} by minReplicas", decision.min_replicas),
        Reason::Window => {
            let seconds = decision.stabilization.as_ref().map_or(0, |held| held.window_seconds);
            format!("window holds: the most asked for in {seconds} s")
        }
        Reason::Missing => {
            let absence = proposal.and_then(|proposal| proposal.reason.as_deref()).unwrap_or("no value");
            format!("metric missing: {absence}, nothing is lowered")
        }
        Reason::Disabled | Reason::Paused | Reason::DryRun => reason.word().to_owned(),
    }
}

/// Requests that the embedded API server got, by what they were for.
struct Requests(BTreeMap<(String, String), u64>);

impl Requests {
    fn of(world: &World) -> Self {
        Self(world.kubernetes.requests())
    }

    fn count(&self, matches: impl Fn(&str, &str) -> bool) -> u64 {
        self.0.iter().filter(|((verb, resource), _)| matches(verb, resource)).map(|(_, count)| count).sum()
    }
}

impl std::fmt::Display for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let writes = |resource: &str| matches!(resource, "update" | "patch" | "create");
        let sizes = self.count(|verb, resource| writes(verb) && resource.ends_with("/scale"));
        let statuses = self.count(|verb, resource| writes(verb) && resource.ends_with("/status"));
        let events = self.count(|verb, resource| writes(verb) && resource == "events");
        let all = self.count(|_, _| true);
        write!(
            f,
            "{all}: {sizes} sizes, {statuses} statuses and {events} events written, {} reads",
            all - sizes - statuses - events
        )
    }
}
