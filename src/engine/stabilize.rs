//! Stabilize: look back over recommendations, so that a short dip or peak moves nothing. Both of HPA's ways; each also stores the raw
//! recommendation of this pass. Stabilization delays, it never turns a direction around.

use super::memory::{millis, store_recommendation};
use super::policy::{Behavior, Direction, Policy};
use super::state::{Recommendation, State};
use super::time::Timestamp;
use super::trace::{Held, Stabilization};

/// Without `behavior`: the highest recommendation of the window, the newest included, ages up to the window itself (HPA). Nothing bounds
/// it by the present size; [`stabilize`] does.
pub fn simple(recommendations: &mut Vec<Recommendation>, proposal: Recommendation, window_seconds: i32) -> i32 {
    let young = |stored: &Recommendation| proposal.at.millis_since(stored.at) <= millis(window_seconds);
    let highest =
        recommendations.iter().filter(|stored| young(stored)).fold(proposal.replicas, |max, r| max.max(r.replicas));
    store_recommendation(recommendations, proposal, |stored| !young(stored));
    highest
}

/// With `behavior`: between the lowest of the up window and the highest of the down window, starting from the present size (HPA).
pub fn with_windows(
    recommendations: &mut Vec<Recommendation>,
    proposal: Recommendation,
    current: i32,
    (up_window_seconds, down_window_seconds): (i32, i32),
) -> i32 {
    let age = |stored: &Recommendation| proposal.at.millis_since(stored.at);
    let (mut up_bound, mut down_bound) = (proposal.replicas, proposal.replicas);
    for stored in recommendations.iter() {
        if age(stored) < millis(up_window_seconds) {
            up_bound = up_bound.min(stored.replicas);
        }
        if age(stored) < millis(down_window_seconds) {
            down_bound = down_bound.max(stored.replicas);
        }
    }
    let longest = millis(up_window_seconds.max(down_window_seconds));
    // Strictly: one exactly as old as the longer window takes no part any more, yet keeps its place for this pass (HPA).
    store_recommendation(recommendations, proposal, |stored| age(stored) > longest);
    current.max(up_bound).min(down_bound)
}

/// The step: stabilizes `recommended` for a workload of `current` replicas and says which window held it.
pub(super) fn stabilize(
    policy: &Policy,
    state: &mut State,
    recommended: Recommendation,
    current: i32,
) -> Stabilization {
    let recommendations = state.recommendations.get_or_insert_default();
    let (up_window, down_window) = windows(policy);
    let replicas = match &policy.behavior {
        None => {
            let highest = simple(recommendations, recommended, down_window);
            // HPA would take back a size that somebody lowered by hand while a higher recommendation is young. A window may delay
            // shrinking; growing is the metrics' business.
            highest.min(recommended.replicas.max(current))
        }
        Some(_) => with_windows(recommendations, recommended, current, (up_window, down_window)),
    };
    let held = match replicas.cmp(&recommended.replicas) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some((Direction::Up, up_window)),
        std::cmp::Ordering::Greater => Some((Direction::Down, down_window)),
    };
    let held = held.map(|(direction, window_seconds)| Held {
        direction,
        window_seconds,
        until: leaves_window(recommendations, (replicas, direction), recommended.at, window_seconds),
    });
    Stabilization { replicas, held }
}

/// The windows of growing and shrinking in seconds.
fn windows(policy: &Policy) -> (i32, i32) {
    let down = |behavior: &Behavior| behavior.down.window_seconds;
    let up = |behavior: &Behavior| behavior.up.window_seconds;
    (
        policy.behavior.as_ref().and_then(up).unwrap_or(0),
        policy.behavior.as_ref().and_then(down).unwrap_or(policy.downscale_window_seconds),
    )
}

/// When the youngest recommendation that holds the number leaves its window.
fn leaves_window(
    recommendations: &[Recommendation],
    (replicas, direction): (i32, Direction),
    now: Timestamp,
    window_seconds: i32,
) -> Option<Timestamp> {
    let holds = |stored: &&Recommendation| match direction {
        Direction::Up => stored.replicas <= replicas,
        Direction::Down => stored.replicas >= replicas,
    };
    let young = |stored: &&Recommendation| now.millis_since(stored.at) <= millis(window_seconds);
    let youngest = recommendations.iter().filter(holds).filter(young).map(|stored| stored.at).max()?;
    Some(youngest.plus_seconds(i64::from(window_seconds)))
}

#[cfg(test)]
mod tests;
