//! When each policy is due. A pure structure over milliseconds of a monotonic clock that the caller reads: no time, no tasks.
//!
//! Flyball samples first and reacts second. Each policy has a phase, taken from its uid, and is due at `phase + n × period`: a thousand
//! policies of one period spread evenly over it, and a slow pass makes nobody drift. Who waits longest goes first.
//!
//! Phases fall into slots: policies of one slot are due at the same instant, so that a source can ask for all of them at once. Slots of
//! periods that are multiples of each other coincide as well.

use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds since the schedule's owner began to count.
pub type Millis = u64;

/// The identity of one policy object: a policy that is deleted and created again gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub u64);

/// Slots of a period. Few enough that a thousand policies of one shape need 10 requests a period, many enough that a source sees an even
/// load: with the period of 15 s there is a slot each 1.5 s.
pub const SLOTS_PER_PERIOD: u64 = 10;
/// At most so many periods pass between two passes over a policy that keeps failing.
const MAX_BACKOFF_PERIODS: u64 = 8;
/// ... and at most this long, where the period itself is not longer: a source that recovers is noticed within a minute.
const MAX_BACKOFF_MILLIS: Millis = 60_000;

/// The due times of all policies.
#[derive(Debug, Default)]
pub struct Schedule {
    slots: BTreeMap<PolicyId, Slot>,
    waiting: BTreeSet<(Millis, PolicyId)>,
}

#[derive(Debug)]
struct Slot {
    period_millis: Millis,
    phase_millis: Millis,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting {
        due: Millis,
    },
    Running,
    /// Changed while it was running: due again as soon as the pass ends.
    RunningStale,
}

impl Schedule {
    /// Adds `id`, or takes in its change: either way it is due at once.
    pub fn upsert(&mut self, id: PolicyId, (uid, period_millis): (&str, Millis), now: Millis) {
        let period_millis = period_millis.max(1);
        let phase_millis = phase(uid, period_millis);
        let stage = match self.slots.get(&id).map(|slot| slot.stage) {
            Some(Stage::Running | Stage::RunningStale) => Stage::RunningStale,
            Some(Stage::Waiting { due }) => {
                self.waiting.remove(&(due, id));
                Stage::Waiting { due: due.min(now) }
            }
            None => Stage::Waiting { due: now },
        };
        if let Stage::Waiting { due } = stage {
            self.waiting.insert((due, id));
        }
        self.slots.insert(id, Slot { period_millis, phase_millis, stage });
    }

    /// Forgets `id`; a pass that is running over it may end without anybody waiting.
    pub fn remove(&mut self, id: PolicyId) {
        if let Some(Slot { stage: Stage::Waiting { due }, .. }) = self.slots.remove(&id) {
            self.waiting.remove(&(due, id));
        }
    }

    /// When the next pass is due; `None` while nobody waits.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Takes the policy that has been due longest, with its due time, and marks it running.
    pub fn start_due(&mut self, now: Millis) -> Option<(PolicyId, Millis)> {
        let (due, id) = *self.waiting.first().filter(|(due, _)| *due <= now)?;
        self.waiting.remove(&(due, id));
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.stage = Stage::Running;
        }
        Some((id, due))
    }

    /// The pass over `id` has ended; `failures` is how many in a row have failed, 0 for a success. The next is due at the policy's own
    /// phase, later the more have failed. Ignored for a policy that is gone.
    pub fn done(&mut self, id: PolicyId, failures: u32, now: Millis) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let due = match slot.stage {
            Stage::RunningStale => now,
            Stage::Running | Stage::Waiting { .. } => slot.aligned_after(now + slot.backoff_millis(failures)),
        };
        if let Stage::Waiting { due } = slot.stage {
            self.waiting.remove(&(due, id));
        }
        slot.stage = Stage::Waiting { due };
        self.waiting.insert((due, id));
    }

    /// How many policies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// There is no policy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl Slot {
    /// The first instant of the policy's phase after `now`.
    const fn aligned_after(&self, now: Millis) -> Millis {
        let elapsed = (now + self.period_millis - self.phase_millis) / self.period_millis;
        elapsed * self.period_millis + self.phase_millis
    }

    /// Extra wait after `failures` failures in a row: nothing for the first, then one more period, then three, then seven.
    fn backoff_millis(&self, failures: u32) -> Millis {
        let periods = (1_u64 << failures.saturating_sub(1).min(3)).min(MAX_BACKOFF_PERIODS) - 1;
        (periods * self.period_millis).min(MAX_BACKOFF_MILLIS.saturating_sub(self.period_millis))
    }
}

/// Where in its period the policy with this uid is due: at the beginning of one of the slots, in milliseconds below `period_millis`.
/// Policies of one period and one phase are due at the same instants.
#[must_use]
pub const fn phase(uid: &str, period_millis: Millis) -> Millis {
    spread(uid) % SLOTS_PER_PERIOD * (period_millis / SLOTS_PER_PERIOD)
}

/// A number that is the same for one uid in every process, and evenly spread over uids (FNV-1a, 64 bits, its upper half folded in
/// because the lowest bits alone spread badly).
const fn spread(uid: &str) -> u64 {
    let bytes = uid.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(periods: &[Millis]) -> Schedule {
        let mut schedule = Schedule::default();
        for (index, period) in (0..).zip(periods) {
            schedule.upsert(PolicyId(index), (&format!("uid-{index}"), *period), 0);
        }
        schedule
    }

    /// Runs the schedule with passes that take no time; returns when each policy ran.
    fn run(schedule: &mut Schedule, until: Millis) -> BTreeMap<PolicyId, Vec<Millis>> {
        let mut ran: BTreeMap<PolicyId, Vec<Millis>> = BTreeMap::new();
        while let Some(now) = schedule.next_due().filter(|due| *due <= until) {
            let (id, _) = schedule.start_due(now).unwrap();
            ran.entry(id).or_default().push(now);
            schedule.done(id, 0, now);
        }
        ran
    }

    #[test]
    fn a_new_policy_is_due_at_once_and_then_once_a_period() {
        let ran = run(&mut schedule(&[15_000]), 100_000);
        let times = &ran[&PolicyId(0)];
        assert_eq!(times[0], 0);
        assert!(times[1] <= 15_000, "{times:?}");
        assert!(times[1..].windows(2).all(|pair| pair[1] - pair[0] == 15_000), "{times:?}");
    }

    #[test]
    fn policies_of_one_period_spread_over_its_slots_and_meet_there() {
        let mut schedule = schedule(&[15_000; 1_000]);
        let ran = run(&mut schedule, 60_000);
        let mut per_slot: BTreeMap<Millis, u32> = BTreeMap::new();
        for times in ran.values() {
            *per_slot.entry(times[2] % 15_000).or_default() += 1;
        }
        let slots: Vec<Millis> = per_slot.keys().copied().collect();
        assert_eq!(slots, (0..SLOTS_PER_PERIOD).map(|slot| slot * 1_500).collect::<Vec<_>>());
        assert!(per_slot.values().all(|count| (70..=130).contains(count)), "{per_slot:?}");
    }

    /// So that a source can share what policies of different periods ask.
    #[test]
    fn slots_of_a_multiple_of_a_period_are_slots_of_the_period() {
        for period in [1_000, 5_000, 15_000, 60_000, 3_600_000] {
            for factor in [1, 2, 4, 10] {
                for uid in ["a", "0f9c6c1e-4d7b-4a55-9d47-6a8f5f2a8c11", "policy-77"] {
                    let (short, long) = (period / SLOTS_PER_PERIOD, phase(uid, factor * period));
                    assert!(
                        long < factor * period && long.is_multiple_of(short),
                        "{uid}: {long} of {period} × {factor}"
                    );
                }
            }
        }
        assert_eq!(phase("any", 1), 0, "a period too short for slots has one");
    }

    #[test]
    fn a_pass_that_ends_late_does_not_move_the_phase() {
        let mut schedule = schedule(&[10_000]);
        let first = schedule.start_due(0).unwrap();
        schedule.done(first.0, 0, 0);
        let second = schedule.next_due().unwrap();
        schedule.start_due(second).unwrap();
        schedule.done(first.0, 0, second + 3_700);
        assert_eq!(schedule.next_due(), Some(second + 10_000));
    }

    #[test]
    fn who_has_waited_longest_goes_first() {
        let mut schedule = Schedule::default();
        schedule.upsert(PolicyId(7), ("a", 1_000), 50);
        schedule.upsert(PolicyId(3), ("b", 1_000), 10);
        assert_eq!(schedule.start_due(100), Some((PolicyId(3), 10)));
        assert_eq!(schedule.start_due(100), Some((PolicyId(7), 50)));
        assert_eq!(schedule.start_due(100), None);
    }

    #[test]
    fn a_change_during_a_pass_makes_it_due_again_at_its_end() {
        let mut schedule = schedule(&[15_000]);
        schedule.start_due(0).unwrap();
        schedule.upsert(PolicyId(0), ("uid-0", 15_000), 5);
        assert_eq!(schedule.next_due(), None, "one pass at a time");
        schedule.done(PolicyId(0), 0, 20);
        assert_eq!(schedule.next_due(), Some(20));
    }

    #[test]
    fn failures_wait_longer_but_never_beyond_a_minute() {
        for (failures, least, most) in
            [(0, 0, 15_000), (1, 0, 15_000), (2, 15_000, 30_000), (3, 45_000, 60_000), (9, 45_000, 60_000)]
        {
            let mut schedule = schedule(&[15_000]);
            schedule.start_due(0).unwrap();
            schedule.done(PolicyId(0), failures, 0);
            let due = schedule.next_due().unwrap();
            assert!((least..=most).contains(&due), "{failures} failures: due after {due} ms");
        }
        let mut slow = schedule(&[3_600_000]);
        slow.start_due(0).unwrap();
        slow.done(PolicyId(0), 9, 0);
        assert!(slow.next_due().unwrap() <= 3_600_000);
    }

    #[test]
    fn a_removed_policy_is_never_due_again() {
        let mut schedule = schedule(&[1_000, 1_000]);
        schedule.start_due(0).unwrap();
        schedule.remove(PolicyId(0));
        schedule.remove(PolicyId(1));
        schedule.done(PolicyId(0), 0, 10);
        assert_eq!((schedule.next_due(), schedule.len()), (None, 0));
    }
}
