//! What the windows make of a recommendation. Owns both of HPA's paths; reads the memory, writes nothing.

use super::policy::{Direction, Policy};
use super::state::Recommendation;
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

/// The path that the policy's `behavior` selects, told for the trace. Without `behavior` the result is bounded by the present size
/// as well: HPA would grow back to what was asked for earlier, against the metrics.
#[must_use]
pub fn stabilize(
    policy: &Policy,
    (stored, blind): (&[Recommendation], Option<Recommendation>),
    wish: Wish,
) -> (Stabilization, Option<usize>) {
    let (mut stabilized, windows) = match &policy.behavior {
        None => {
            let windows = Windows { up_seconds: 0, down_seconds: policy.downscale_window_seconds.max(0) };
            (stabilize_simple(stored, windows.down_seconds, wish), windows)
        }
        Some(behavior) => {
            let down_seconds = behavior.down.window_seconds.unwrap_or(policy.downscale_window_seconds).max(0);
            let up_seconds = behavior.up.window_seconds.unwrap_or(0).max(0);
            let windows = Windows { up_seconds, down_seconds };
            (stabilize_behavior(stored, windows, wish), windows)
        }
    };
    stabilized.replicas = stabilized.replicas.min(wish.proposal.max(wish.current));
    let blind = blind.filter(|blind| wish.now.millis_since(blind.at) < millis(windows.down_seconds));
    if let Some(blind) = blind {
        stabilized.replicas = stabilized.replicas.max(blind.replicas.min(wish.current));
    }
    let held = (stabilized.replicas != wish.proposal).then(|| {
        let holding = stored.iter().copied().chain(blind);
        held(holding, windows, (wish, stabilized.replicas))
    });
    (Stabilization { replicas: stabilized.replicas, held }, stabilized.slot)
}

/// Which window held the wish at `replicas`, and until when.
fn held(holding: impl Iterator<Item = Recommendation>, windows: Windows, (wish, replicas): (Wish, i32)) -> Held {
    let (direction, window_seconds) = if wish.proposal > replicas {
        (Direction::Up, windows.up_seconds)
    } else {
        (Direction::Down, windows.down_seconds)
    };
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
            let (stabilization, _) = stabilize(&policy(1, 100), (&stored(&[(5, 10)]), None), wish(current, proposal));
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
                let (stabilization, _) = stabilize(&policy, (&[], blind), wish(current, proposal));
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
        let (stabilization, slot) = stabilize(&policy, (&stored(&[(5, 30), (7, 10), (2, 70)]), None), wish(3, 9));
        assert_eq!((stabilization.replicas, slot), (5, None));
        let held = stabilization.held.unwrap();
        assert_eq!((held.direction, held.window_seconds, held.until), (Direction::Up, 60, Some(at(30))));
    }
}
