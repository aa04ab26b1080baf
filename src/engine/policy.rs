//! What a user asked for, resolved: every default filled in, every reference replaced by a value. Must not know how it was written down.

use std::sync::Arc;

use super::milli::Milli;

/// Tolerance of either direction where a policy names none (HPA's `--horizontal-pod-autoscaler-tolerance`).
pub const DEFAULT_TOLERANCE: f64 = 0.1;
/// Seconds that scale-down looks back where a policy names none (HPA's `--horizontal-pod-autoscaler-downscale-stabilization`).
pub const DEFAULT_DOWNSCALE_WINDOW_SECONDS: i32 = 300;
/// Without `behavior` one decision may at most multiply the size by this (HPA's `scaleUpLimitFactor`).
pub const GROWTH_FACTOR: f64 = 2.0;
/// ... or reach this many replicas, whichever is more (HPA's `scaleUpLimitMinimum`).
pub const GROWTH_FLOOR: i32 = 4;

/// Everything a decision needs to know of the user's wishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Fewest replicas, 0 or more.
    pub min_replicas: i32,
    /// Most replicas, 1 or more and at least `min_replicas`.
    pub max_replicas: i32,
    /// The metrics, in the order of the spec. Each yields a proposal; the highest wins.
    pub metrics: Vec<Metric>,
    /// How fast and how late to move; `None` selects HPA's path without `behavior`.
    pub behavior: Option<Behavior>,
    /// Seconds that scale-down looks back where `behavior` does not say.
    pub downscale_window_seconds: i32,
    /// What to do with the result.
    pub mode: Mode,
}

/// What to do with a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Write it.
    #[default]
    Auto,
    /// Decide and publish, write nothing.
    DryRun,
    /// Ask nothing; hold the size, or go to the fixed one.
    Paused {
        /// The size to hold, 0 or more; `None` holds whatever there is.
        replicas: Option<i32>,
    },
}

/// One metric of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Name for traces and metrics, unique within the policy.
    pub name: Arc<str>,
    /// What the value is held against.
    pub target: Target,
}

/// What a metric's value is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The value of the whole workload (HPA `Value`), above 0.
    Value(Milli),
    /// The value divided by the replicas (HPA `AverageValue`), above 0.
    AverageValue(Milli),
}

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// `spec.behavior`, completed by [`super::behavior::complete`].
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// Rules of growing.
    pub up: Rules,
    /// Rules of shrinking.
    pub down: Rules,
}

/// The rules of one direction (HPA `HPAScalingRules`).
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Seconds to look back over recommendations, 0 to 3600. `None` for down means the policy's `downscale_window_seconds`, for up 0.
    pub window_seconds: Option<i32>,
    /// Which of the policies counts.
    pub select: Select,
    /// How much may change in which time; not empty unless `select` is `Disabled`.
    pub policies: Vec<RatePolicy>,
    /// Relative distance from the target that is left alone, 0 or more; `None` means [`DEFAULT_TOLERANCE`].
    pub tolerance: Option<f64>,
}

/// Which of several rate policies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Select {
    /// The one that permits the largest change.
    #[default]
    Max,
    /// The one that permits the smallest change.
    Min,
    /// None: this direction is switched off.
    Disabled,
}

/// How much may change within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePolicy {
    /// The unit of `value`.
    pub kind: RateKind,
    /// Pods or percent, above 0.
    pub value: i32,
    /// The period in seconds, 1 to 1800.
    pub period_seconds: i32,
}

/// The unit of a rate policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateKind {
    /// A number of pods.
    Pods,
    /// A share of the size at the period's start.
    Percent,
}

impl Policy {
    /// Tolerance towards `direction`, as a fraction (0.1 is 10 %).
    #[must_use]
    pub fn tolerance(&self, direction: Direction) -> f64 {
        let rules = self.behavior.as_ref().map(|behavior| match direction {
            Direction::Up => &behavior.up,
            Direction::Down => &behavior.down,
        });
        rules.and_then(|rules| rules.tolerance).unwrap_or(DEFAULT_TOLERANCE)
    }
}
