//! What a restart may cost: a window is held a little longer, and nothing is ever lowered for it.

use flyball::engine::recollection::{MAX_RECOLLECTED, grain_millis, patience_millis};
use flyball::engine::{
    Behavior, Metric, MetricKind, Milli, Mode, Observation, OnMissing, Policy, Reading, Recollection, Rescale, Rules,
    Sample, Settings, Standing, State, Target, decide,
};
use proptest::option;
use proptest::prelude::*;

use crate::given::{self, no_answer, observation};

/// Seconds between two passes, as told to the restart.
const PERIOD_SECONDS: i32 = 15;

/// One look: how long after the one before, what the metric asks for, and whether status is written for another reason.
#[derive(Debug, Clone)]
struct Look {
    millis: i64,
    /// Replicas; `None` where the metric fails.
    asked: Option<i32>,
    written: bool,
}

fn window() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(60), Just(300), 0..1200_i32]
}

fn rules() -> impl Strategy<Value = Rules> {
    (given::rules(), window()).prop_map(|(rules, seconds)| Rules { window_seconds: Some(seconds), ..rules })
}

/// A policy whose one metric asks for what the look says, over 2 to 30 replicas.
fn policy() -> impl Strategy<Value = Policy> {
    let behavior = option::weighted(0.8, (rules(), rules()).prop_map(|(up, down)| Behavior { up, down }));
    (behavior, window()).prop_map(|(behavior, downscale_window_seconds)| Policy {
        min_replicas: 2,
        max_replicas: 30,
        metrics: vec![Metric {
            name: "load".into(),
            kind: MetricKind::Prometheus,
            target: Target::AverageValue(Milli::new(1000)),
            on_missing: OnMissing::Hold,
        }],
        behavior,
        downscale_window_seconds,
        mode: Mode::Auto,
        settings: Settings::default(),
        fallback: None,
    })
}

/// Looks that ask for the same a few times over, as a load does.
fn looks(longest_millis: i64) -> impl Strategy<Value = Vec<Look>> {
    let asked = option::weighted(0.9, prop_oneof![1 => 0..40_i32, 1 => 8..12_i32, 2 => 2..8_i32]);
    let several = (prop::collection::vec((1_000..longest_millis, prop::bool::weighted(0.1)), 1..8), asked);
    prop::collection::vec(several, 5..20).prop_map(|runs| {
        let run = |(times, asked): (Vec<(i64, bool)>, Option<i32>)| {
            times.into_iter().map(move |(millis, written)| Look { millis, asked, written })
        };
        runs.into_iter().flat_map(run).collect()
    })
}

/// What a restart finds, and the look that follows it.
struct Life {
    policy: Policy,
    observation: Observation,
    told: Recollection,
}

impl Life {
    fn new(policy: &Policy) -> Self {
        Self { policy: policy.clone(), observation: observation(0, 10, Vec::new()), told: Recollection::default() }
    }

    fn look(&mut self, look: &Look) {
        let reading = look.asked.map_or_else(no_answer, |asked| {
            let value = Milli::new(i64::from(asked) * 1000);
            Reading::Complete(Sample { value, series: 1, age_millis: None })
        });
        self.observation = given::later(&self.observation, look.millis, vec![reading]);
    }

    fn standing(&self) -> Standing<'_> {
        Standing { policy: &self.policy, current: self.observation.replicas.spec, now: self.observation.now }
    }

    /// Changes the size, and remembers that in each state.
    fn resize(&mut self, to: i32, states: &mut [(&mut State, &Policy)]) {
        let rescale = Rescale { from: self.observation.replicas.spec, to, at: self.observation.now };
        for (state, policy) in states {
            state.record_rescale(policy, rescale);
        }
        self.observation.replicas.spec = to;
    }

    /// Tells what there is to tell of `state`, as the loop does after a pass.
    fn tell(&mut self, state: &State, written: bool) {
        if written || !self.told.suffices(state, self.standing()) {
            self.told = Recollection::of(state, self.standing());
        }
    }

    /// The memory of a process that begins now. Rate budgets are somebody else's matter.
    fn restart(&self, lost: &State, patience_millis: Option<i64>) -> State {
        let mut state = State {
            up_events: lost.up_events.clone(),
            down_events: lost.down_events.clone(),
            scaled_to_zero: lost.scaled_to_zero,
            ..State::default()
        };
        state.recall(&self.told, self.standing(), patience_millis);
        state
    }
}

/// The policy whose windows hold so much longer, and let go so much earlier when growing.
fn slower(policy: &Policy, (down_millis, up_millis): (i64, i64)) -> Policy {
    let seconds = |millis: i64| i32::try_from(millis / 1000 + 1).unwrap_or(i32::MAX / 2);
    let mut slower = policy.clone();
    slower.downscale_window_seconds += seconds(down_millis);
    if let Some(behavior) = &mut slower.behavior {
        behavior.down.window_seconds = behavior.down.window_seconds.map(|window| window + seconds(down_millis));
        behavior.up.window_seconds = behavior.up.window_seconds.map(|window| (window - seconds(up_millis)).max(0));
    }
    slower
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// However often and for however long a process is away: it never decides on fewer replicas than it would have with what it
    /// remembered. Where the present size said it all, it begins with that, and may grow one time between two looks later.
    #[test]
    fn a_restart_never_lowers(
        policy in policy(),
        looks in looks(200_000),
        restarts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        let (mut life, mut through, mut again) = (Life::new(&policy), State::default(), State::default());
        let mut is_seeded = false;
        let patience = |trusts: bool| trusts.then(|| patience_millis(&policy, PERIOD_SECONDS));
        let restarts: Vec<(usize, bool)> = restarts.iter().map(|(at, trusts)| (at.index(looks.len()), *trusts)).collect();
        for (index, look) in looks.iter().enumerate() {
            life.look(look);
            if let Some((_, trusts)) = restarts.iter().find(|(at, _)| *at == index) {
                is_seeded |= life.told.is_empty();
                again = life.restart(&again, patience(*trusts));
            }
            let current = life.observation.replicas.spec;
            let (state, decision) = decide(&policy, through, &life.observation);
            through = state;
            let (state, decision_again) = decide(&policy, again, &life.observation);
            again = state;
            let desired = decision.trace.desired_replicas;
            let least = if is_seeded { desired.min(current) } else { desired };
            prop_assert!(
                decision_again.trace.desired_replicas >= least,
                "look {index}: {:#?}\nrather than {:#?}", decision_again.trace, decision.trace
            );
            life.resize(desired, &mut [(&mut through, &policy), (&mut again, &policy)]);
            life.tell(&again, look.written);
        }
    }

    /// One restart, before any of the looks: whatever follows, it decides on no fewer replicas than without.
    #[test]
    fn a_restart_at_any_look_never_lowers(policy in policy(), looks in looks(29_000)) {
        let (mut life, mut through) = (Life::new(&policy), State::default());
        let mut lives: Vec<(usize, bool, State)> = Vec::new();
        for (index, look) in looks.iter().enumerate() {
            life.look(look);
            let state = life.restart(&through, Some(patience_millis(&policy, PERIOD_SECONDS)));
            lives.push((index, life.told.is_empty(), state));
            let current = life.observation.replicas.spec;
            let (state, decision) = decide(&policy, through, &life.observation);
            through = state;
            let desired = decision.trace.desired_replicas;
            for (restart, is_seeded, again) in &mut lives {
                let (state, decision) = decide(&policy, std::mem::take(again), &life.observation);
                *again = state;
                let least = if *is_seeded { desired.min(current) } else { desired };
                prop_assert!(decision.trace.desired_replicas >= least, "{restart}, look {index}: {:#?}", decision.trace);
            }
            let again = lives.iter_mut().map(|(_, _, state)| (state, &policy));
            let mut states: Vec<(&mut State, &Policy)> = again.chain([(&mut through, &policy)]).collect();
            life.resize(desired, &mut states);
            life.tell(&through, look.written);
        }
    }

    /// A short restart costs a grain at most: it decides on no more replicas than windows would that are so much longer for shrinking
    /// and shorter for growing, counted from the last look before it.
    #[test]
    fn a_short_restart_holds_a_grain_longer_at_most(
        policy in policy(),
        looks in looks(29_000),
        restart in any::<prop::sample::Index>(),
    ) {
        let (restart, grain) = (restart.index(looks.len()), grain_millis(&policy));
        let slower = slower(&policy, (grain + looks[restart].millis, grain));
        let (mut life, mut through) = (Life::new(&policy), State::default());
        let (mut again, mut slow) = (State::default(), State::default());
        for (index, look) in looks.iter().enumerate() {
            life.look(look);
            if index == restart {
                again = life.restart(&again, Some(patience_millis(&policy, PERIOD_SECONDS)));
            }
            let desired = [(&mut through, &policy), (&mut again, &policy), (&mut slow, &slower)].map(|(state, policy)| {
                let (after, decision) = decide(policy, std::mem::take(state), &life.observation);
                *state = after;
                decision.trace.desired_replicas
            });
            prop_assert!(desired[1] <= desired[2], "look {index}: {desired:?}, {:#?}", life.told);
            life.resize(desired[0], &mut [(&mut through, &policy), (&mut again, &policy), (&mut slow, &slower)]);
            life.tell(&again, look.written);
        }
    }

    /// However long a life is, what is told of it is short; and as long as what is asked for is what there is, nothing is.
    #[test]
    fn little_is_told_and_of_steady_times_nothing(policy in policy(), looks in looks(29_000), steady in any::<bool>()) {
        let (mut life, mut state) = (Life::new(&policy), State::default());
        for mut look in looks {
            if steady {
                look.asked = Some(10);
            }
            life.look(&look);
            let (after, decision) = decide(&policy, state, &life.observation);
            state = after;
            life.resize(decision.trace.desired_replicas, &mut [(&mut state, &policy)]);
            life.tell(&state, look.written);
            let longest = life.told.highest.len().max(life.told.lowest.len());
            prop_assert!(longest <= MAX_RECOLLECTED, "{:#?}", life.told);
            prop_assert!(!steady || life.told.is_empty(), "{:#?}", life.told);
            prop_assert!(life.told.suffices(&state, life.standing()), "what was just told: {:#?}", life.told);
        }
    }
}
