//! The story of the demo: what happens to the workload, when, and how it is told. Owns the script; what Flyball answers is not in it.

use crate::engine::Timestamp;
use crate::sandbox::World;
use crate::sandbox::prometheus::Fault;
use crate::view::Reason;

use super::stage::{BASE_LOAD, CALM_LOAD, WORKLOAD};

/// Seconds of one telling; then it begins again.
pub(super) const ROUND_SECONDS: i64 = 62;
/// Longer than any beat: its load lasts until the next beat replaces it.
const UNTIL_REPLACED_SECONDS: i64 = 600;

/// What happens at a beat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Turn {
    /// So many requests per second come from now on.
    Traffic(f64),
    /// Nobody listens at Prometheus' address any more.
    PrometheusAway,
    /// Prometheus answers again.
    PrometheusBack,
}

/// A beat of the story.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Beat {
    /// Seconds from the beginning of a round.
    pub(super) at_seconds: i64,
    /// What happens.
    pub(super) turn: Turn,
    /// The same in words.
    pub(super) caption: &'static str,
}

/// Calm, a spike, no data, and calm again.
pub(super) const STORY: [Beat; 5] = [
    Beat { at_seconds: 0, turn: Turn::Traffic(CALM_LOAD), caption: "Calm: 190 requests/s, two replicas are enough" },
    Beat { at_seconds: 5, turn: Turn::Traffic(1150.0), caption: "A sale begins: traffic jumps to 1150 requests/s" },
    Beat { at_seconds: 22, turn: Turn::PrometheusAway, caption: "Prometheus is taken away, at full traffic" },
    Beat { at_seconds: 27, turn: Turn::PrometheusBack, caption: "Prometheus is back" },
    Beat {
        at_seconds: 34,
        turn: Turn::Traffic(BASE_LOAD),
        caption: "The sale is over: traffic falls to 85 requests/s",
    },
];

/// Lets `turn` happen to `world`.
pub(super) fn play(world: &World, turn: Turn, now: Timestamp) {
    match turn {
        Turn::Traffic(requests_per_second) => {
            let extra = requests_per_second - BASE_LOAD;
            world.spike(WORKLOAD, extra, now.plus_seconds(UNTIL_REPLACED_SECONDS));
        }
        Turn::PrometheusAway => world.prometheus.set_fault(Fault::Off),
        Turn::PrometheusBack => world.prometheus.set_fault(Fault::None),
    }
}

/// What a new reason means, told as the story goes on; `None` where there is nothing to tell.
pub(super) const fn remark(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::UpPolicy => Some("Growth limited by the scaleUp policy: 2 at a time"),
        Reason::Max => Some("At maxReplicas: more is asked for, 10 is the limit"),
        Reason::Window => Some("Less would do, but the window still holds the peak"),
        Reason::DownPolicy => Some("Down by the scaleDown policy: 2 pods at a time"),
        Reason::Missing => Some("No data is not zero: the size is held"),
        Reason::Min => Some("At minReplicas: less would do, 2 is the limit"),
        Reason::Free | Reason::Tolerance | Reason::Disabled | Reason::Paused | Reason::DryRun => None,
    }
}

/// Plays [`STORY`] again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    round_began: Timestamp,
    next: usize,
}

impl Script {
    /// A script whose first beat is due at `start`.
    pub(super) const fn starting_at(start: Timestamp) -> Self {
        Self { round_began: start, next: 0 }
    }

    /// The next beat that is due at `now`, if one is.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Beat> {
        if self.next == STORY.len() && now >= self.round_began.plus_seconds(ROUND_SECONDS) {
            *self = Self::starting_at(self.round_began.plus_seconds(ROUND_SECONDS));
        }
        let beat = STORY.get(self.next).filter(|beat| now >= self.round_began.plus_seconds(beat.at_seconds))?;
        self.next += 1;
        Some(*beat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_fit_beside_the_title_of_the_picture() {
        let remarks = Reason::ALL.into_iter().filter_map(remark);
        for caption in STORY.iter().map(|beat| beat.caption).chain(remarks) {
            assert!(caption.len() <= 50, "{caption}: {} characters", caption.len());
        }
    }

    #[test]
    fn every_beat_is_played_once_a_round_and_in_order() {
        let start = Timestamp::from_millis(5_000);
        let mut script = Script::starting_at(start);
        let mut played = Vec::new();
        for second in 0..ROUND_SECONDS + 6 {
            while let Some(beat) = script.due(start.plus_seconds(second)) {
                played.push((second, beat.turn));
            }
        }
        let times: Vec<i64> = played.iter().map(|(second, _)| *second).collect();
        assert_eq!(times, [0, 5, 22, 27, 34, ROUND_SECONDS, ROUND_SECONDS + 5]);
        assert_eq!(played[5].1, STORY[0].turn);
    }
}
