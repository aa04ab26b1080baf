//! The decisions of one policy over time, as points to draw. A bounded ring: the oldest makes room. Must not fill what was not
//! there: a metric without a value is a gap, never zero.

use std::collections::VecDeque;

use crate::api::status::{LastDecision, MetricProposal};
use crate::engine::Timestamp;

use super::text::{number, safe};

/// What kept a decision from being the recommended one, as one word for a strip or a legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing did.
    Free,
    /// The metric lies within the tolerance.
    Tolerance,
    /// A stabilization window holds an earlier recommendation.
    Window,
    /// A rate policy of growing.
    UpPolicy,
    /// A rate policy of shrinking.
    DownPolicy,
    /// The upper bound.
    Max,
    /// The lower bound.
    Min,
    /// A metric had no value, or not all of it: nothing is lowered.
    Missing,
    /// Somebody scaled the workload to zero.
    Disabled,
    /// The policy is paused.
    Paused,
    /// The policy only says what it would do.
    DryRun,
}

impl Reason {
    /// Every reason, in the order of legends.
    pub const ALL: [Self; 11] = [
        Self::Free,
        Self::Tolerance,
        Self::UpPolicy,
        Self::Max,
        Self::Window,
        Self::DownPolicy,
        Self::Min,
        Self::Missing,
        Self::Disabled,
        Self::Paused,
        Self::DryRun,
    ];

    /// The reason of `decision`: of several, the one that a user would have to lift first.
    #[must_use]
    pub fn of(decision: &LastDecision) -> Self {
        let is = |word: &str| decision.limited_by.iter().any(|by| by == word);
        const ORDER: [(&str, Reason); 11] = [
            ("Paused", Reason::Paused),
            ("ScalingDisabled", Reason::Disabled),
            ("MetricUnavailable", Reason::Missing),
            ("PartialData", Reason::Missing),
            ("MaxReplicas", Reason::Max),
            ("MinReplicas", Reason::Min),
            ("ScaleUpPolicy", Reason::UpPolicy),
            ("ScaleDownPolicy", Reason::DownPolicy),
            ("StabilizationWindow", Reason::Window),
            ("DryRun", Reason::DryRun),
            ("Tolerance", Reason::Tolerance),
        ];
        ORDER.iter().find(|(word, _)| is(word)).map_or(Self::Free, |&(_, reason)| reason)
    }

    /// The word for it; empty where nothing limited.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Free => "",
            Self::Tolerance => "within tolerance",
            Self::Window => "window holds",
            Self::UpPolicy => "scaleUp policy",
            Self::DownPolicy => "scaleDown policy",
            Self::Max => "at max",
            Self::Min => "at min",
            Self::Missing => "metric missing",
            Self::Disabled => "switched off",
            Self::Paused => "paused",
            Self::DryRun => "dry run",
        }
    }

    /// The shortest word for it, where [`Self::word`] does not fit; empty where nothing limited.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Free => "",
            Self::Tolerance => "ok",
            Self::Window => "window",
            Self::UpPolicy => "up",
            Self::DownPolicy => "down",
            Self::Max => "max",
            Self::Min => "min",
            Self::Missing => "no data",
            Self::Disabled => "off",
            Self::Paused => "paused",
            Self::DryRun => "dry",
        }
    }
}

/// One decision as a point in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When the observation was taken.
    pub at: Timestamp,
    /// The value of the metric that decided, over all series; `None` where there was none, which is drawn as a gap.
    pub value: Option<f64>,
    /// What the value is held against as a whole: the target, times the replicas where the target is per replica.
    pub target_total: Option<f64>,
    /// What the metrics asked for; `None` where they could not be asked.
    pub raw: Option<i32>,
    /// What the stabilization windows made of it.
    pub stabilized: Option<i32>,
    /// The size that was decided.
    pub applied: i32,
    /// Pods that were ready.
    pub running: i32,
    /// The lower bound.
    pub min: i32,
    /// The upper bound.
    pub max: i32,
    /// What limited the decision.
    pub reason: Reason,
    /// The change that was decided: above 0 up, below 0 down.
    pub change: i32,
    /// The decision in one sentence, safe for a terminal.
    pub message: String,
}

impl Point {
    /// The point of `decision`, with `ready` pods running at that time.
    #[must_use]
    pub fn new(decision: &LastDecision, ready: i32) -> Self {
        let deciding = deciding(decision);
        let value = deciding.and_then(|proposal| proposal.value.as_ref()).and_then(number);
        let target_total = deciding.and_then(|proposal| {
            let target = number(&proposal.target)?;
            // What is averaged over pods already is held against the target itself.
            let per_replica = proposal.target_type == "AverageValue" && proposal.pods.is_none();
            Some(if per_replica { target * f64::from(decision.current_replicas) } else { target })
        });
        let moved = matches!(decision.direction.as_str(), "Up" | "Down");
        Self {
            at: Timestamp::from_millis(decision.time.0.as_millisecond()),
            value,
            target_total,
            raw: decision.recommended_replicas,
            stabilized: decision.stabilized_replicas,
            applied: decision.desired_replicas,
            running: ready,
            min: decision.min_replicas,
            max: decision.max_replicas,
            reason: Reason::of(decision),
            change: if moved { decision.desired_replicas.saturating_sub(decision.current_replicas) } else { 0 },
            message: safe(&decision.message),
        }
    }
}

/// The metric that the decision names, else the first.
fn deciding(decision: &LastDecision) -> Option<&MetricProposal> {
    let named = decision.metric_name.as_deref();
    decision.proposals.iter().find(|proposal| Some(proposal.name.as_str()) == named).or(decision.proposals.first())
}

/// The last decisions of one policy, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    points: VecDeque<Point>,
    limit: usize,
}

impl History {
    /// Most points that any history keeps: a day of decisions every 15 s, about 1 MB.
    pub const MOST: usize = 5760;

    /// An empty history of at most `limit` points (1 to [`Self::MOST`]).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { points: VecDeque::new(), limit: limit.clamp(1, Self::MOST) }
    }

    /// Adds `point` at the end, dropping the oldest where the ring is full. A point of the same instant as the last replaces it
    /// (the same decision was published again); an older one is dropped, because time runs one way on an axis.
    pub fn push(&mut self, point: Point) {
        if let Some(last) = self.points.back_mut() {
            if point.at == last.at {
                *last = point;
                return;
            }
            if point.at < last.at {
                return;
            }
        }
        if self.points.len() == self.limit {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// The points, oldest first.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = &Point> + ExactSizeIterator {
        self.points.iter()
    }

    /// The newest point.
    #[must_use]
    pub fn last(&self) -> Option<&Point> {
        self.points.back()
    }

    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// First and last instant; `None` while empty.
    #[must_use]
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.points.front()?.at, self.points.back()?.at))
    }

    /// Stretches of time where there was no value, each as (first without, first with again or the last instant).
    #[must_use]
    pub fn gaps(&self) -> Vec<(Timestamp, Timestamp)> {
        let mut gaps: Vec<(Timestamp, Timestamp)> = Vec::new();
        let mut open: Option<Timestamp> = None;
        for point in &self.points {
            match (point.value, open) {
                (None, None) => open = Some(point.at),
                (Some(_), Some(from)) => {
                    gaps.push((from, point.at));
                    open = None;
                }
                _ => {}
            }
        }
        if let (Some(from), Some(last)) = (open, self.points.back()) {
            gaps.push((from, last.at));
        }
        gaps
    }

    /// The reasons as stretches of time: (from, until, reason), neighbours joined. The last stretch ends at the last instant.
    #[must_use]
    pub fn reasons(&self) -> Vec<(Timestamp, Timestamp, Reason)> {
        let mut stretches: Vec<(Timestamp, Timestamp, Reason)> = Vec::new();
        for point in &self.points {
            match stretches.last_mut() {
                Some((_, until, reason)) if *reason == point.reason => *until = point.at,
                other => {
                    if let Some((_, until, _)) = other {
                        *until = point.at;
                    }
                    stretches.push((point.at, point.at, point.reason));
                }
            }
        }
        stretches
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::view::waterfall::tests::{decision, proposal};

    /// A spike, the growth limit, the upper bound, a metric that goes away, and the stabilized way down. One point every 2 s.
    pub(crate) fn story() -> History {
        let mut history = History::new(200);
        let load = |second: i32| match second {
            0..=9 => 190 + (second * 7) % 13,
            10..=13 => 190 + (second - 9) * 450,
            14..=33 => 1080 + (second * 53) % 90,
            34..=39 => 1100 - (second - 33) * 130,
            _ => 290 + (second * 11) % 30,
        };
        let (mut current, mut ready, mut recommended) = (2, 2, Vec::<(i32, i32)>::new());
        for second in (0..62).step_by(2) {
            let missing = (24..30).contains(&second);
            let value = load(second);
            let raw = (value + 99) / 100;
            let mut made = decision(current, current, &[]);
            made.time.0 += k8s_openapi::jiff::SignedDuration::from_secs(i64::from(second));
            (made.min_replicas, made.max_replicas) = (2, 10);
            if missing {
                let mut absent = proposal("http_rps", None, None);
                absent.reason = Some("SourceUnreachable".into());
                made.proposals = vec![absent];
                made.limited_by = vec!["MetricUnavailable".into()];
            } else {
                recommended.push((second, raw));
                let held = recommended.iter().filter(|(at, _)| second - at <= 10).map(|&(_, n)| n).max().unwrap_or(raw);
                let stabilized = if raw < current { held.min(current).max(raw) } else { raw };
                let limit =
                    if stabilized > current { stabilized.min(current + 4) } else { stabilized.max(current - 3) };
                let desired = limit.clamp(2, 10);
                made = LastDecision { desired_replicas: desired, ..made };
                made.proposals = vec![proposal("http_rps", Some(&value.to_string()), Some(raw))];
                made.recommended_replicas = Some(raw);
                made.stabilized_replicas = Some(stabilized);
                let by = match () {
                    () if stabilized > raw => "StabilizationWindow",
                    () if limit < stabilized && limit <= 10 => "ScaleUpPolicy",
                    () if limit > stabilized => "ScaleDownPolicy",
                    () if limit > 10 => "MaxReplicas",
                    () => "",
                };
                made.limited_by = vec![by.to_owned()];
                made.direction = if desired > current {
                    "Up"
                } else if desired < current {
                    "Down"
                } else {
                    "None"
                }
                .into();
                made.message =
                    format!("http_rps {value} over a target of 100 per replica asks for {raw}; {current} to {desired}");
            }
            history.push(Point::new(&made, ready));
            ready = if ready < made.desired_replicas {
                (ready + 2).min(made.desired_replicas)
            } else {
                made.desired_replicas
            };
            current = made.desired_replicas;
        }
        history
    }

    #[test]
    fn a_point_keeps_what_was_published_and_leaves_gaps() {
        let mut made = decision(6, 8, &["ScaleUpPolicy", "MaxReplicas"]);
        made.direction = "Up".into();
        made.recommended_replicas = Some(13);
        let point = Point::new(&made, 5);
        assert_eq!((point.value, point.target_total), (Some(1224.0), Some(600.0)));
        assert_eq!((point.raw, point.applied, point.running, point.change), (Some(13), 8, 5, 2));
        assert_eq!(point.reason, Reason::Max);
        made.proposals[0].value = None;
        assert_eq!(Point::new(&made, 5).value, None);
    }

    #[test]
    fn the_ring_is_bounded_and_time_runs_forward() {
        let mut history = History::new(3);
        let made = decision(2, 2, &[]);
        let at = |millis| Point { at: Timestamp::from_millis(millis), ..Point::new(&made, 2) };
        for millis in [1, 2, 3, 4, 4, 2] {
            history.push(at(millis));
        }
        let kept: Vec<_> = history.points().map(|point| point.at.as_millis()).collect();
        assert_eq!(kept, [2, 3, 4]);
        assert_eq!(History::new(0).limit, 1);
        assert_eq!(History::new(usize::MAX).limit, History::MOST);
    }

    #[test]
    fn gaps_and_reasons_are_stretches() {
        let story = story();
        let (start, _) = story.span().unwrap();
        let seconds = |at: Timestamp| at.millis_since(start) / 1000;
        let gaps: Vec<_> = story.gaps().into_iter().map(|(from, to)| (seconds(from), seconds(to))).collect();
        assert_eq!(gaps, [(24, 30)]);
        let reasons = story.reasons();
        assert!(reasons.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].2 != pair[1].2));
        for wanted in [Reason::UpPolicy, Reason::Max, Reason::Missing, Reason::Window] {
            assert!(reasons.iter().any(|&(_, _, reason)| reason == wanted), "{wanted:?} in {reasons:?}");
        }
    }
}
