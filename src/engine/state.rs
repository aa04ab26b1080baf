//! What a policy remembers from one decision to the next: recommendations and scale events. A plain value; holds no reference to anything.

use super::missing::Streak;
use super::recollection::Recollection;
use super::time::Timestamp;

/// The memory of one policy. `State::default()` is a policy never seen before: its first decision seeds the present size, so that
/// nothing shrinks before a full window was seen (HPA does the same after a restart).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Raw recommendations in stored order; `None` = never seen.
    pub recommendations: Option<Vec<Recommendation>>,
    /// The size at the last pass that had no recommendation, for want of data: nobody saw what was needed then. The window of shrinking
    /// counts it like a recommendation, so that the first answer after an outage lowers nothing before a full window was seen again.
    /// HPA remembers nothing of such a pass.
    pub blind: Option<Recommendation>,
    /// What is known of the recommendations before a restart. The windows count it as they do those since.
    pub recalled: Recollection,
    /// Changes upwards that were written.
    pub up_events: Vec<ScaleEvent>,
    /// Changes downwards that were written.
    pub down_events: Vec<ScaleEvent>,
    /// Metrics that fail, or failed and have not recovered; empty while all is well.
    pub streaks: Vec<Streak>,
    /// The size is zero because the policy set it to zero, so the policy may take it back (HPA keeps this in its condition
    /// `ScaledToZero`). A zero that somebody else set is theirs.
    pub scaled_to_zero: bool,
}

/// What the metrics asked for at one instant, before stabilization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recommendation {
    /// Replicas, 0 or more.
    pub replicas: i32,
    /// When.
    pub at: Timestamp,
}

/// One written change of size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaleEvent {
    /// By how many replicas, above 0 whichever the direction.
    pub change: i32,
    /// When it was written.
    pub at: Timestamp,
    /// Older than every period of its direction: its place may be taken.
    pub outdated: bool,
}

/// A change of size that the API server acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rescale {
    /// Replicas before.
    pub from: i32,
    /// Replicas after.
    pub to: i32,
    /// When.
    pub at: Timestamp,
}
