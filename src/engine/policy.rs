//! What a user asked for, resolved: every default filled in, every reference replaced by a value. Must not know how it was written down.

use std::sync::Arc;

use super::milli::Milli;
use super::missing::{Fallback, OnMissing};

/// Tolerance of either direction where a policy names none (HPA's `--horizontal-pod-autoscaler-tolerance`).
pub const DEFAULT_TOLERANCE: f64 = 0.1;
/// Seconds that scale-down looks back where a policy names none (HPA's `--horizontal-pod-autoscaler-downscale-stabilization`).
pub const DEFAULT_DOWNSCALE_WINDOW_SECONDS: i32 = 300;
/// Without `behavior` one decision may at most multiply the size by this (HPA's `scaleUpLimitFactor`).
pub const GROWTH_FACTOR: f64 = 2.0;
/// ... or reach this many replicas, whichever is more (HPA's `scaleUpLimitMinimum`).
pub const GROWTH_FLOOR: i32 = 4;
/// Seconds after its start in which a pod's cpu usage is doubted (HPA's `--horizontal-pod-autoscaler-cpu-initialization-period`).
pub const DEFAULT_CPU_INITIALIZATION_PERIOD_SECONDS: i32 = 300;
/// Seconds after its start in which a pod that is not ready counts as never having been (HPA's
/// `--horizontal-pod-autoscaler-initial-readiness-delay`).
pub const DEFAULT_INITIAL_READINESS_DELAY_SECONDS: i32 = 30;

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
    /// The floor under the size while a metric fails whose `on_missing` says so.
    pub fallback: Option<Fallback>,
    /// What to do with the result.
    pub mode: Mode,
    /// What HPA takes from flags and constants of its controller, the same for all policies.
    pub settings: Settings,
}

/// What HPA takes from flags and constants of its controller. The default is HPA's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Tolerance of either direction where `behavior` names none, as a fraction, 0 or more.
    pub tolerance: f64,
    /// How young a pod has to be for its cpu usage to be doubted.
    pub warm_up: WarmUp,
    /// How far one decision may grow without `behavior`.
    pub growth: Growth,
    /// A workload that the policy itself set to zero may be woken again (HPA's gate `HPAScaleToZero`, off by default). Where it is off,
    /// a workload at zero stays there, whoever set it.
    pub scale_to_zero: bool,
}

/// How young a pod has to be for its cpu usage to be doubted (HPA rule; other resources are never doubted).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmUp {
    /// Seconds after its start in which a pod counts only with a sample taken wholly while it was ready, 0 or more.
    pub cpu_initialization_period_seconds: i32,
    /// Seconds after its start in which a loss of readiness counts as never having been ready, 0 or more.
    pub initial_readiness_delay_seconds: i32,
}

/// How far one decision may grow without `behavior`: to `factor` times the size or to `floor` replicas, whichever is more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The multiple of the present size.
    pub factor: f64,
    /// Replicas that may always be reached.
    pub floor: i32,
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
    /// What is measured, and so how its value is read.
    pub kind: MetricKind,
    /// What the value is held against.
    pub target: Target,
    /// What it counts as while it has no whole answer.
    pub on_missing: OnMissing,
}

/// What is measured. Resource and Pods metrics have a value per pod, the others one for the whole workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricKind {
    /// Usage of a resource by the workload's pods (HPA `Resource`, and `ContainerResource` where a container is named).
    Resource {
        /// `cpu`, `memory`, or any other resource.
        resource: Arc<str>,
        /// Only this container of each pod counts; `None` counts them all.
        container: Option<Arc<str>>,
    },
    /// A metric of the workload's pods (HPA `Pods`).
    Pods,
    /// A metric of one other object (HPA `Object`).
    Object,
    /// A metric of something outside the cluster, summed over its series (HPA `External`).
    External,
    /// The answer of a PromQL query; decided as HPA decides External.
    Prometheus,
}

/// What a metric's value is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Percent, above 0: of what the pods request (Resource), or of whatever a query that yields percent measures (Prometheus). For the
    /// whole workload alike, as a share is the same for one pod and for all.
    Utilization(i32),
    /// The value of the whole workload (HPA `Value`), above 0.
    Value(Milli),
    /// The value per replica or pod (HPA `AverageValue`), above 0.
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
    /// Relative distance from the target that is left alone, 0 or more; `None` means that of the settings.
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: DEFAULT_TOLERANCE,
            warm_up: WarmUp::default(),
            growth: Growth::default(),
            scale_to_zero: false,
        }
    }
}

impl Default for WarmUp {
    fn default() -> Self {
        Self {
            cpu_initialization_period_seconds: DEFAULT_CPU_INITIALIZATION_PERIOD_SECONDS,
            initial_readiness_delay_seconds: DEFAULT_INITIAL_READINESS_DELAY_SECONDS,
        }
    }
}

impl Default for Growth {
    fn default() -> Self {
        Self { factor: GROWTH_FACTOR, floor: GROWTH_FLOOR }
    }
}

impl MetricKind {
    /// Whether it has a value per pod, so that a decision needs to see the workload's pods.
    #[must_use]
    pub const fn is_per_pod(&self) -> bool {
        matches!(self, Self::Resource { .. } | Self::Pods)
    }
}

impl Target {
    /// The number that the value is held against, in its own unit: percent for Utilization.
    #[must_use]
    pub const fn amount(self) -> Milli {
        match self {
            Self::Utilization(percent) => Milli::new(percent as i64 * 1000),
            Self::Value(target) | Self::AverageValue(target) => target,
        }
    }
}

impl Policy {
    /// Whether zero replicas can be this policy's own wish: it may go there, and something but pods will tell when to come back.
    #[must_use]
    pub fn rests_at_zero(&self) -> bool {
        self.settings.scale_to_zero && self.min_replicas <= 0 && self.is_measured_at_zero()
    }

    /// Whether any metric has a value where there is no pod.
    #[must_use]
    pub fn is_measured_at_zero(&self) -> bool {
        self.metrics.iter().any(|metric| !metric.kind.is_per_pod())
    }

    /// Tolerance towards `direction`, as a fraction (0.1 is 10 %): that of `behavior`, or else of the settings.
    #[must_use]
    pub fn tolerance(&self, direction: Direction) -> f64 {
        let rules = self.behavior.as_ref().map(|behavior| match direction {
            Direction::Up => &behavior.up,
            Direction::Down => &behavior.down,
        });
        rules.and_then(|rules| rules.tolerance).unwrap_or(self.settings.tolerance)
    }
}
