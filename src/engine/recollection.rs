//! What a restart must not forget of the recommendations: of all that the windows look back on, the few entries that can still hold the
//! size. Owns what is told of the memory, when that has to be told again, and what is made of it afterwards; must not decide.
//!
//! A window of shrinking needs, of all entries, those that are higher than everything after them; a window of growing those that are
//! lower. Both are short lists as a rule: a peak, and what came after it. They may hold the size up longer than the memory that was
//! lost would have, by one [`grain`](grain_millis) at most, and never shorter.

use super::policy::{Mode, Policy, Select};
use super::stabilize::Windows;
use super::state::{Recommendation, State};
use super::time::Timestamp;

/// Most entries of either list of a [`Recollection`].
pub const MAX_RECOLLECTED: usize = 12;
/// Parts of the longest window, of which each may be told in one entry.
const GRAINS_PER_WINDOW: i64 = 10;
/// The shortest time that is told apart, in milliseconds: two polling periods by default, so that nothing is ever written per tick.
const SHORTEST_GRAIN_MILLIS: i64 = 30_000;

/// What the windows of a policy still need of what was recommended. Empty where the present size says it all: then a policy that begins
/// anew with it remembers the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recollection {
    /// For the window of shrinking, oldest first, one an instant: each higher than all that came after it. The last is as old as the last look. Sizes
    /// that were held for want of data are among them.
    pub highest: Vec<Recommendation>,
    /// For the window of growing, oldest first, one an instant: each lower than all that came after it.
    pub lowest: Vec<Recommendation>,
}

/// Where a policy stands: what its memory is held against.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The present size.
    pub current: i32,
    /// The present instant.
    pub now: Timestamp,
}

/// How far back the windows reach that can hold anything, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Reach {
    down: Option<i64>,
    up: Option<i64>,
}

/// The time in milliseconds by which a recollection may be behind: a tenth of the policy's longest window, 30 s at least.
#[must_use]
pub fn grain_millis(policy: &Policy) -> i64 {
    let reach = Reach::of(policy);
    (reach.down.max(reach.up).unwrap_or(0) / GRAINS_PER_WINDOW).max(SHORTEST_GRAIN_MILLIS)
}

/// How long ago, in milliseconds, a recollection's youngest entry may be for all since to count as known: nothing else was told, and
/// whatever exceeds the last entry is told at once. After a longer time nobody was there to see it.
#[must_use]
pub fn patience_millis(policy: &Policy, period_seconds: i32) -> i64 {
    let period_millis = i64::from(period_seconds.max(0)) * 1000;
    grain_millis(policy).saturating_mul(2).saturating_add(period_millis)
}

impl Recollection {
    /// What is to be told of `state`.
    #[must_use]
    pub fn of(state: &State, standing: Standing<'_>) -> Self {
        match Self::whole(state, standing) {
            Some(whole) if !Self::default().recalled(standing, None).stands_for(&whole, 0) => {
                whole.thinned(standing.now, grain_millis(standing.policy))
            }
            _ => Self::default(),
        }
    }

    /// Nothing is told: the present size says it all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.highest.is_empty() && self.lowest.is_empty()
    }

    /// Whether a restart now, which finds this, would remember what `state` does: nothing that lets the size go earlier, and nothing
    /// that holds it more than a grain longer; or there is nothing better to tell. Where not, it is time to tell anew.
    #[must_use]
    pub fn suffices(&self, state: &State, standing: Standing<'_>) -> bool {
        let grain_millis = grain_millis(standing.policy);
        Self::whole(state, standing).map_or(self.is_empty(), |whole| {
            // With a grain of patience only, so that it is told anew in good time before a restart would lose its own.
            let in_time = self.recalled(standing, Some(i64::MAX));
            // A restart has more patience, and then takes the last entry for all since.
            (self.recalled(standing, Some(grain_millis)).stands_for(&whole, grain_millis) && in_time.holds(&whole))
                // Such as of a window of growing in which nobody asked for anything, for want of data.
                || *self == Self::of(state, standing)
        })
    }

    /// What a restart makes of this. What was asked for since the last entry counts as no more than that entry said, where that is at
    /// most `patience_millis` ago; else, and where something is known to have been missed (`None`), as the present size. Growing is
    /// held by what was told and by nothing since: what nobody saw must not keep a workload small.
    #[must_use]
    pub fn recalled(&self, standing: Standing<'_>, patience_millis: Option<i64>) -> Self {
        let Standing { policy, current, now } = standing;
        let reach = Reach::of(policy);
        let present = Recommendation { replicas: current, at: now };
        if self.is_empty() {
            let seed = |reach: Option<i64>| reach.map(|_| present).into_iter().collect();
            return Self { highest: seed(reach.down), lowest: seed(reach.up) };
        }
        let young = |list: &[Recommendation], reach: Option<i64>| -> Vec<Recommendation> {
            let is_young = |told: &&Recommendation| {
                reach.is_some_and(|reach_millis| (0..=reach_millis).contains(&now.millis_since(told.at)))
            };
            list.iter().filter(is_young).copied().collect()
        };
        let mut recalled = Self { highest: young(&self.highest, reach.down), lowest: young(&self.lowest, reach.up) };
        if reach.down.is_some() {
            let since = self.highest.last().filter(|_| self.reaches(now, patience_millis));
            recalled.highest.push(since.map_or(present, |last| Recommendation { at: now, ..*last }));
        }
        recalled
    }

    /// Whether the youngest entry is at most so long ago, and none is yet to come: then no clock went backwards.
    fn reaches(&self, now: Timestamp, patience_millis: Option<i64>) -> bool {
        let youngest = self.highest.iter().chain(&self.lowest).map(|told| told.at).max();
        patience_millis.zip(youngest).is_some_and(|(patience, at)| (0..=patience).contains(&now.millis_since(at)))
    }

    /// All that the windows need of `state`; `None` where it remembers nothing, or nothing that a restart should keep: a dry run writes
    /// no size, and its windows may begin anew.
    fn whole(state: &State, standing: Standing<'_>) -> Option<Self> {
        let stored = state.recommendations.as_ref().filter(|_| standing.policy.mode == Mode::Auto)?;
        let reach = Reach::of(standing.policy);
        let highs = stored.iter().chain(&state.blind).chain(&state.recalled.highest);
        let lows = stored.iter().chain(&state.recalled.lowest);
        Some(Self {
            highest: steps(highs, (reach.down, standing), |older, younger| older > younger),
            lowest: steps(lows, (reach.up, standing), |older, younger| older < younger),
        })
    }

    /// Whether remembering this in place of `memory` holds the size up at least as high and as long.
    fn holds(&self, memory: &Self) -> bool {
        memory
            .highest
            .iter()
            .all(|lost| self.highest.iter().any(|told| told.replicas >= lost.replicas && told.at >= lost.at))
    }

    /// Whether remembering this in place of `memory` holds the size at least as high, and higher for `grain_millis` at most.
    fn stands_for(&self, memory: &Self, grain_millis: i64) -> bool {
        let highs_let_go = self.highest.iter().all(|told| {
            let is_near = |lost: &Recommendation| told.at.millis_since(lost.at) <= grain_millis;
            memory.highest.iter().any(|lost| lost.replicas >= told.replicas && is_near(lost))
        });
        let lows_let_go = self
            .lowest
            .iter()
            .all(|told| memory.lowest.iter().any(|lost| lost.replicas <= told.replicas && lost.at >= told.at));
        let lows_hold = memory.lowest.iter().all(|lost| {
            let is_near = |told: &Recommendation| lost.at.millis_since(told.at) <= grain_millis;
            self.lowest.iter().any(|told| told.replicas <= lost.replicas && is_near(told))
        });
        self.holds(memory) && highs_let_go && lows_let_go && lows_hold
    }

    /// At most one entry a grain, where there are too many. Of several, the highest holds as long as the youngest would have, and the
    /// lowest as long as itself: the size is never lower for it.
    fn thinned(mut self, now: Timestamp, grain_millis: i64) -> Self {
        let same_grain = |a: Timestamp, b: Timestamp| {
            now.millis_since(a).div_euclid(grain_millis) == now.millis_since(b).div_euclid(grain_millis)
        };
        if self.highest.len() > MAX_RECOLLECTED {
            self.highest.dedup_by(|younger, kept| {
                let same = same_grain(younger.at, kept.at);
                if same {
                    kept.at = younger.at;
                }
                same
            });
        }
        if self.lowest.len() > MAX_RECOLLECTED {
            self.lowest.dedup_by(|younger, kept| same_grain(younger.at, kept.at));
        }
        self
    }
}

impl State {
    /// Takes in what was told of this policy's recommendations before a restart; see [`Recollection::recalled`]. A policy of which
    /// nothing was told begins with the present size.
    pub fn recall(&mut self, told: &Recollection, standing: Standing<'_>, patience_millis: Option<i64>) {
        if !told.is_empty() {
            self.recommendations = Some(Vec::new());
            self.recalled = told.recalled(standing, patience_millis);
        }
    }

    /// Takes note of a time in which nobody looked: somebody else drove the workload, its size could not be read, or passes ended
    /// early. Where the last look is more than `patience_millis` ago, the present size is held for a full window, as after a time
    /// without data.
    pub fn notice_absence(&mut self, standing: Standing<'_>, patience_millis: i64) {
        let Some(stored) = &self.recommendations else { return };
        let looks = stored.iter().chain(&self.blind).chain(&self.recalled.highest).map(|entry| entry.at);
        let is_near = |at: Timestamp| (0..=patience_millis).contains(&standing.now.millis_since(at));
        if !looks.max().is_some_and(is_near) {
            self.blind = Some(Recommendation { replicas: standing.current, at: standing.now });
        }
    }
}

impl Reach {
    /// A direction that is disabled, and a window of no time, hold nothing by what they remember.
    fn of(policy: &Policy) -> Self {
        let windows = Windows::of(policy);
        let is_off = |select: Option<Select>| select == Some(Select::Disabled);
        let millis = |seconds: i32, off: bool| (seconds > 0 && !off).then(|| i64::from(seconds) * 1000);
        let behavior = policy.behavior.as_ref();
        Self {
            down: millis(windows.down_seconds, is_off(behavior.map(|behavior| behavior.down.select))),
            up: millis(windows.up_seconds, is_off(behavior.map(|behavior| behavior.up.select))),
        }
    }
}

/// Of the entries within reach, those that are `beyond` all younger ones, oldest first. Their replicas are taken into the bounds of the
/// policy: what lies outside of them moves no size, and would be told anew with every tick of a workload at its minimum.
fn steps<'a>(
    entries: impl Iterator<Item = &'a Recommendation>,
    (reach_millis, standing): (Option<i64>, Standing<'_>),
    beyond: fn(older: i32, younger: i32) -> bool,
) -> Vec<Recommendation> {
    let Standing { policy, current, now } = standing;
    let Some(reach_millis) = reach_millis else { return Vec::new() };
    let (min, max) = (policy.min_replicas.min(current), policy.max_replicas.max(current));
    let mut young: Vec<Recommendation> = entries
        .filter(|entry| now.millis_since(entry.at) <= reach_millis)
        // Lies in the future only after a clock went backwards.
        .map(|entry| Recommendation { replicas: entry.replicas.min(max).max(min), at: entry.at.min(now) })
        .collect();
    // Of one instant, the one that goes beyond the others comes last, and stands for all.
    young.sort_by(|a, b| {
        a.at.cmp(&b.at).then_with(|| beyond(a.replicas, b.replicas).cmp(&beyond(b.replicas, a.replicas)))
    });
    let mut steps: Vec<Recommendation> = Vec::new();
    for entry in young {
        while steps.last().is_some_and(|older| !beyond(older.replicas, entry.replicas)) {
            steps.pop();
        }
        steps.push(entry);
    }
    steps
}

#[cfg(test)]
mod tests;
