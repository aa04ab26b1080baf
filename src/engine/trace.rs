//! The decision with everything that led to it. The trace is the product: status, events, `explain`, the screen and the metrics
//! render it, and none of them computes a number that is not here.

use super::milli::Milli;
use super::missing::{Failing, OnMissing};
use super::observation::Reading;
use super::policy::{Direction, Mode, RatePolicy, Select, Target};
use super::time::Timestamp;

/// The answer of [`super::decide()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Why.
    pub trace: Trace,
}

/// What the caller has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Leave the size as it is.
    Hold,
    /// Write this size.
    ScaleTo(i32),
    /// The policy would write this size, but its mode is DryRun.
    WouldScaleTo(i32),
}

/// Each step of the pipeline, in order. A step that was not reached is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// When the observation was taken.
    pub at: Timestamp,
    /// `scale.spec.replicas` as observed, 0 or more.
    pub current_replicas: i32,
    /// The bounds that applied; where the policy's contradict each other, both are the size that nothing may fall below.
    pub min_replicas: i32,
    /// The bounds that applied.
    pub max_replicas: i32,
    /// The mode that applied.
    pub mode: Mode,
    /// One entry per metric, in the order of the spec; empty where metrics were not looked at.
    pub proposals: Vec<Proposal>,
    /// What came of them all.
    pub outcome: Outcome,
    /// What the metrics ask for together, before windows and limits. 0 or more.
    pub recommended_replicas: Option<i32>,
    /// What the windows made of it.
    pub stabilization: Option<Stabilization>,
    /// What rate policies and bounds made of that.
    pub limit: Option<Limit>,
    /// The final number; equal to `current_replicas` where nothing changes.
    pub desired_replicas: i32,
}

/// What one metric asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What was read.
    pub reading: Reading,
    /// What it was held against.
    pub target: Target,
    /// Value over target as HPA computes it; `None` where there was no value, and for an average at zero replicas.
    pub ratio: Option<f64>,
    /// The tolerance of the side that the ratio is on, as a fraction.
    pub tolerance: f64,
    /// The ratio lies within the tolerance, so the proposal is the present size.
    pub within_tolerance: bool,
    /// What HPA reports as current: the value (Value targets), the value per replica, rounded up (AverageValue), or the usage per pod,
    /// rounded down (metrics with a value per pod).
    pub reported: Option<Milli>,
    /// The proposal; `None` where the reading allows none.
    pub replicas: Option<i32>,
    /// What was seen of the pods, for metrics with a value per pod.
    pub per_pod: Option<PerPod>,
    /// What the absence was taken for, where the reading is not whole: [`OnMissing::Zero`] only where it counted as zero, and
    /// [`OnMissing::Ignore`] only where it did not count. `Hold` for a whole reading.
    pub taken_for: OnMissing,
    /// Since when the metric fails, and the floor that follows from it; `None` while all is well.
    pub failing: Option<Failing>,
}

/// How the pods counted in a proposal of a metric with a value per pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerPod {
    /// Pods that count, with a sample.
    pub ready: u32,
    /// Pods that are pending or, for cpu, still warming up: they count as idle, and only when growing.
    pub unready: u32,
    /// Pods that ought to have a sample and have none: they count against any change.
    pub missing: u32,
    /// Pods that are going or gone.
    pub ignored: u32,
    /// Usage of all counted pods as a share of what they request, in whole percent; `None` for AverageValue targets.
    pub utilization_percent: Option<i32>,
    /// The ratio after pods without a sample were filled in; `None` where there was nothing to fill in.
    pub filled_ratio: Option<f64>,
}

/// What came of all metrics together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The metrics made a recommendation; `winner` is the index of the one that asked for most.
    Valid {
        /// Index into `proposals`.
        winner: usize,
        /// Some metric failed or was partial; the recommendation does not lower.
        degraded: bool,
    },
    /// No recommendation: the first failing metric's index. Nothing moves.
    MetricsFailed {
        /// Index into `proposals`; 0 for a policy without metrics, where there is none.
        first: usize,
    },
    /// The size is above `max_replicas` and goes there at once, metrics unasked (HPA).
    AboveMax,
    /// The size is below `min_replicas` and goes there at once, metrics unasked (HPA).
    BelowMin,
    /// The size is 0, and not because this policy set it so: a human switched the workload off (HPA `ScalingDisabled`).
    Disabled,
    /// The policy is paused.
    Paused,
}

/// What the stabilization windows did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stabilization {
    /// The stabilized number.
    pub replicas: i32,
    /// The window that changed it, if one did.
    pub held: Option<Held>,
}

/// A window that held a recommendation back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The direction that was held back.
    pub direction: Direction,
    /// The window in seconds.
    pub window_seconds: i32,
    /// When the recommendation that holds leaves the window, if nothing newer replaces it; `None` where the present size holds.
    pub until: Option<Timestamp>,
}

/// What limits did to the stabilized number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The number after limits.
    pub replicas: i32,
    /// HPA's word for it.
    pub reason: LimitReason,
    /// The rate limit that applied, whether or not it was the one to bind.
    pub rate: Option<RateLimit>,
}

/// The bound that the rate rules of one direction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The direction it limits.
    pub direction: Direction,
    /// The size that the rules allow at most (up) or at least (down); may be negative for down. In a decision never on the other
    /// side of the present size: a spent budget stops a move and takes nothing back.
    pub replicas: i32,
    /// How the policies were combined.
    pub select: Select,
    /// The policy that set it; `None` for a disabled direction and for the growth limit without `behavior`.
    pub policy: Option<RatePolicy>,
}

/// HPA's words for what limited a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitReason {
    /// Nothing did.
    DesiredWithinRange,
    /// `min_replicas`.
    TooFewReplicas,
    /// `max_replicas`.
    TooManyReplicas,
    /// A rate policy of growing, or the growth limit.
    ScaleUpLimit,
    /// A rate policy of shrinking.
    ScaleDownLimit,
}

impl Proposal {
    /// The reading was whole and led to a number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.replicas.is_some() && (self.reading.absent().is_none() || self.taken_for == OnMissing::Zero)
    }

    /// What counts is the floor of a fallback and not what was measured.
    #[must_use]
    pub fn rests_on_floor(&self) -> bool {
        self.asks() > self.replicas
    }

    /// What counts: the proposal, and where a floor lies under it the higher of both.
    #[must_use]
    pub fn asks(&self) -> Option<i32> {
        self.replicas.max(self.failing.and_then(|failing| failing.floor))
    }

    /// The current value in the unit of the target, so that the two can be shown side by side: percent for Utilization.
    #[must_use]
    pub fn measured(&self) -> Option<Milli> {
        let percent = self.per_pod.and_then(|per_pod| per_pod.utilization_percent);
        match (self.target, percent) {
            (Target::Utilization(_), Some(percent)) => Some(Milli::new(i64::from(percent) * 1000)),
            _ => self.reported,
        }
    }
}

impl LimitReason {
    /// The word in conditions, events and metric labels.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::DesiredWithinRange => "DesiredWithinRange",
            Self::TooFewReplicas => "TooFewReplicas",
            Self::TooManyReplicas => "TooManyReplicas",
            Self::ScaleUpLimit => "ScaleUpLimit",
            Self::ScaleDownLimit => "ScaleDownLimit",
        }
    }
}
