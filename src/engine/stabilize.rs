//! What the windows make of a recommendation. Owns both of HPA's paths; reads the memory, writes nothing.

use super::policy::{Direction, Policy};
use super::state::{Recommendation, State};
use super::time::Timestamp;
use super::trace::{Held, Stabilization};

/// A recommendation that wants to become a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The present size.
    pub current: i32,
    /// The recommendation, before windows.
    pub proposal: i32,
    /// When.
    pub now: Timestamp,
}

/// Seconds to look back, of each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Before growing.
    pub up_seconds: i32,
    /// Before shrinking.
    pub down_seconds: i32,
}

/// What came out, and where the wish itself is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stabilized {
    /// The stabilized number.
    pub replicas: i32,
    /// The stored recommendation that no window needs any more; `None` appends.
    pub slot: Option<usize>,
}

/// HPA without `behavior`: the highest of what was asked for within the window, its far edge included. Not bounded by the present
/// size; [`stabilize`] bounds it.
#[must_use]
pub fn stabilize_simple(stored: &[Recommendation], window_seconds: i32, wish: Wish) -> Stabilized {
    let window_millis = millis(window_seconds);
    let mut stabilized = Stabilized { replicas: wish.proposal, slot: None };
    for (index, recommendation) in stored.iter().enumerate() {
        if wish.now.millis_since(recommendation.at) > window_millis {
            stabilized.slot = Some(index);
        } else {
            stabilized.replicas = stabilized.replicas.max(recommendation.replicas);
        }
    }
    stabilized
}

/// HPA with `behavior`: not above the lowest of what was asked for within the window of growing, not below the highest within that of
/// shrinking, and else the present size. The far edges do not count. Only ever delays.
#[must_use]
pub fn stabilize_behavior(stored: &[Recommendation], windows: Windows, wish: Wish) -> Stabilized {
    let (up_millis, down_millis) = (millis(windows.up_seconds), millis(windows.down_seconds));
    let (mut lowest, mut highest, mut slot) = (wish.proposal, wish.proposal, None);
    for (index, recommendation) in stored.iter().enumerate() {
        let age_millis = wish.now.millis_since(recommendation.at);
        if age_millis < up_millis {
            lowest = lowest.min(recommendation.replicas);
        }
        if age_millis < down_millis {
            highest = highest.max(recommendation.replicas);
        }
        if age_millis > up_millis && age_millis > down_millis {
            slot = Some(index);
        }
    }
    Stabilized { replicas: wish.current.max(lowest).min(highest), slot }
}

impl Windows {
    /// The windows of `policy`. Without `behavior` growing is never delayed (HPA rule).
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let behavior = policy.behavior.as_ref();
        let down_seconds = behavior.and_then(|behavior| behavior.down.window_seconds);
        let up_seconds = behavior.and_then(|behavior| behavior.up.window_seconds);
        Self {
            up_seconds: up_seconds.unwrap_or(0).max(0),
            down_seconds: down_seconds.unwrap_or(policy.downscale_window_seconds).max(0),
        }
    }
}

/// The path that the policy's `behavior` selects, told for the trace. Without `behavior` the result is bounded by the present size
/// as well: HPA would grow back to what was asked for earlier, against the metrics.
///
/// What was held for want of data, and what is known of the time before a restart, holds like a recommendation, and never moves the
/// size by itself.
#[must_use]
pub fn stabilize(policy: &Policy, state: &State, wish: Wish) -> (Stabilization, Option<usize>) {
    let stored = state.recommendations.as_deref().unwrap_or_default();
    let windows = Windows::of(policy);
    let mut stabilized = match &policy.behavior {
        None => stabilize_simple(stored, windows.down_seconds, wish),
        Some(_) => stabilize_behavior(stored, windows, wish),
    };
    stabilized.replicas = stabilized.replicas.min(wish.proposal.max(wish.current));
    let age_millis = |entry: &Recommendation| wish.now.millis_since(entry.at);
    let (up_millis, down_millis) = (millis(windows.up_seconds), millis(windows.down_seconds));
    let blind = state.blind.filter(|blind| age_millis(blind) < down_millis);
    // The far edge counts where it does for recommendations.
    let edge_millis = i64::from(policy.behavior.is_none());
    let recalled = &state.recalled;
    let lows = recalled.lowest.iter().copied().filter(|low| age_millis(low) < up_millis);
    let highs =
        recalled.highest.iter().copied().filter(|high| age_millis(high) < down_millis + edge_millis).chain(blind);
    if let Some(low) = lows.clone().map(|low| low.replicas).min() {
        stabilized.replicas = stabilized.replicas.min(low.max(wish.current));
    }
    if let Some(high) = highs.clone().map(|high| high.replicas).max() {
        stabilized.replicas = stabilized.replicas.max(high.min(wish.current));
    }
    let replicas = stabilized.replicas;
    let stored = stored.iter().copied();
    let held = if wish.proposal > replicas {
        Some(held(stored.chain(lows), (Direction::Up, windows.up_seconds), (wish, replicas)))
    } else if wish.proposal < replicas {
        Some(held(stored.chain(highs), (Direction::Down, windows.down_seconds), (wish, replicas)))
    } else {
        None
    };
    (Stabilization { replicas, held }, stabilized.slot)
}

/// Until when the window of this direction holds the wish at `replicas`.
fn held(
    holding: impl Iterator<Item = Recommendation>,
    (direction, window_seconds): (Direction, i32),
    (wish, replicas): (Wish, i32),
) -> Held {
    let holds = |recommendation: &Recommendation| {
        wish.now.millis_since(recommendation.at) <= millis(window_seconds)
            && match direction {
                Direction::Up => recommendation.replicas <= replicas,
                Direction::Down => recommendation.replicas >= replicas,
            }
    };
    // Of several that hold, the youngest leaves last.
    let youngest = holding.filter(holds).map(|recommendation| recommendation.at).max();
    Held { direction, window_seconds, until: youngest.map(|at| at.plus_seconds(i64::from(window_seconds))) }
}

fn millis(seconds: i32) -> i64 {
    i64::from(seconds) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests_support::{at, behavior, policy};

    fn stored(list: &[(i32, i64)]) -> Vec<Recommendation> {
        list.iter().map(|&(replicas, age)| Recommendation { replicas, at: at(-age) }).collect()
    }

    fn remembering(list: &[(i32, i64)], blind: Option<Recommendation>) -> State {
        State { recommendations: Some(stored(list)), blind, ..State::default() }
    }

    fn wish(current: i32, proposal: i32) -> Wish {
        Wish { current, proposal, now: at(0) }
    }

    #[test]
    fn the_edge_of_the_simple_window_counts_and_that_of_the_others_does_not() {
        let on_edge = stored(&[(9, 300)]);
        assert_eq!(stabilize_simple(&on_edge, 300, wish(9, 3)), Stabilized { replicas: 9, slot: None });
        let windows = Windows { up_seconds: 0, down_seconds: 300 };
        assert_eq!(stabilize_behavior(&on_edge, windows, wish(9, 3)), Stabilized { replicas: 3, slot: None });
    }

    #[test]
    fn without_behavior_a_window_delays_and_never_reverses() {
        let table = [
            ("held at a former recommendation", 9, 3, 5, Some(at(-10 + 300))),
            ("held at the present size, not at what was asked for", 4, 3, 4, Some(at(-10 + 300))),
            ("up at once", 4, 6, 6, None),
        ];
        for (name, current, proposal, replicas, until) in table {
            let (stabilization, _) =
                stabilize(&policy(1, 100), &remembering(&[(5, 10)], None), wish(current, proposal));
            assert_eq!(stabilization.replicas, replicas, "{name}");
            assert_eq!(stabilization.held.and_then(|held| held.until), until, "{name}");
        }
    }

    #[test]
    fn a_time_without_data_counts_as_a_wish_for_the_size_it_had() {
        let blind = |age: i64| Some(Recommendation { replicas: 8, at: at(-age) });
        let table = [
            ("held through the window", blind(299), 8, 3, 8, Some(at(1))),
            ("let go after it", blind(300), 8, 3, 3, None),
            ("growing is free", blind(10), 8, 12, 12, None),
            ("never back up to it", blind(10), 5, 3, 5, Some(at(290))),
        ];
        for (name, blind, current, proposal, replicas, until) in table {
            for behavior in [None, Some(behavior())] {
                let mut policy = policy(1, 100);
                policy.behavior = behavior;
                let (stabilization, _) = stabilize(&policy, &remembering(&[], blind), wish(current, proposal));
                assert_eq!(stabilization.replicas, replicas, "{name}");
                assert_eq!(stabilization.held.and_then(|held| held.until), until, "{name}");
            }
        }
    }

    #[test]
    fn a_window_of_growing_tells_when_it_lets_go() {
        let mut policy = policy(1, 100);
        policy.behavior = Some(behavior());
        policy.behavior.as_mut().unwrap().up.window_seconds = Some(60);
        let (stabilization, slot) = stabilize(&policy, &remembering(&[(5, 30), (7, 10), (2, 70)], None), wish(3, 9));
        assert_eq!((stabilization.replicas, slot), (5, None));
        let held = stabilization.held.unwrap();
        assert_eq!((held.direction, held.window_seconds, held.until), (Direction::Up, 60, Some(at(30))));
    }
}
