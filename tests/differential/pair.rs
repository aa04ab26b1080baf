//! One behavior over its two twins: plays the steps to both, waits until both have settled, compares what they did.

use std::sync::Arc;

use libtest_mimic::Failed;
use tokio::time::{Duration, Instant};

use crate::Side;
use crate::behaviors::{Behavior, Step};
use crate::feeds::Feeds;
use crate::twins::{Seen, Twins};

/// Both loops sync so often, by `pollingPeriodSeconds` and `--horizontal-pod-autoscaler-sync-period`.
const SYNC: Duration = Duration::from_secs(1);
/// How many syncs may lie between a change and its counterpart: one since the phases differ, one since an age may fall just short.
const SYNCS_APART: u32 = 2;
/// What a busy machine takes from a sync to what the watch tells.
const SLACK: Duration = Duration::from_millis(700);
/// How long after everything has expired nothing may happen before both count as settled.
const QUIET: Duration = Duration::from_millis(1500);
/// Syncs of each side within that time, so that a loop that is stuck does not count as settled.
const QUIET_SYNCS: usize = 2;
/// A step that has not settled by then fails.
const STEP_DEADLINE: Duration = Duration::from_secs(120);
/// No random step begins later than this after the start of its behavior, so that a run ends.
const BUDGET: Duration = Duration::from_secs(80);
const POLL: Duration = Duration::from_millis(100);

/// What became of one behavior.
#[derive(Debug)]
pub(crate) struct Verdict {
    name: String,
    syncs: [usize; 2],
    rescales: usize,
    /// Each step that came out differently.
    differences: Vec<String>,
    /// Why a difference is wanted.
    deviation: Option<&'static str>,
    broken: Option<String>,
}

impl Verdict {
    pub(crate) fn syncs(&self, side: Side) -> usize {
        self.syncs[side as usize]
    }

    /// A line of the table.
    pub(crate) fn line(&self) -> String {
        let equal = match (&self.broken, self.differences.is_empty(), self.deviation) {
            (Some(_), _, _) => "broken".to_owned(),
            (None, true, _) => "yes".to_owned(),
            (None, false, Some(reason)) => format!("deviates on purpose: {reason}"),
            (None, false, None) => "NO".to_owned(),
        };
        let Self { name, syncs: [hpa, flyball], rescales, .. } = self;
        format!("{name:<52} {hpa:>9} {flyball:>13} {rescales:>8}  {equal}")
    }

    /// What the test fails for, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(broken) = &self.broken {
            return Some(format!("{}: {broken}", self.name));
        }
        match (self.differences.is_empty(), self.deviation) {
            (true, Some(_)) => Some(format!("{}: listed as a deviation, and equal: take it off the list", self.name)),
            (false, None) => Some(format!("{}:\n  {}", self.name, self.differences.join("\n  "))),
            (true, None) | (false, Some(_)) => None,
        }
    }
}

/// The beginning of the names of the series of the behavior at `index`.
pub(crate) fn series(index: usize) -> String {
    format!("load_{index}")
}

/// The name of one of its twins, and of the autoscaler over it.
pub(crate) fn name(index: usize, side: Side) -> String {
    format!("pair-{index}-{}", side.word())
}

/// A behavior with what it plays on.
pub(crate) struct Pair<'a> {
    behavior: Behavior,
    names: [String; 2],
    twins: &'a Twins,
    feeds: &'a Arc<Feeds>,
}

impl<'a> Pair<'a> {
    pub(crate) fn new((index, mut behavior): (usize, Behavior), twins: &'a Twins, feeds: &'a Arc<Feeds>) -> Self {
        behavior.series = series(index);
        let names = Side::BOTH.map(|side| name(index, side));
        Self { behavior, names, twins, feeds }
    }

    fn name(&self, side: Side) -> &str {
        &self.names[side as usize]
    }

    fn sizes(&self, side: Side) -> Vec<Seen> {
        self.twins.sizes(self.name(side))
    }

    fn fetched(&self, side: Side) -> Vec<Instant> {
        self.feeds.fetched(&format!("{}_0", self.behavior.series), side)
    }

    pub(crate) async fn run(self) -> Verdict {
        let mut differences = Vec::new();
        let broken = self.play(&mut differences).await.err();
        let sizes = Side::BOTH.map(|side| self.sizes(side).len().saturating_sub(1));
        Verdict {
            name: self.behavior.name.clone(),
            syncs: Side::BOTH.map(|side| self.fetched(side).len()),
            rescales: sizes[Side::Hpa as usize],
            differences,
            deviation: self.behavior.deviation,
            broken,
        }
    }

    async fn play(&self, differences: &mut Vec<String>) -> Result<(), String> {
        let behavior = &self.behavior;
        let begun = Instant::now();
        let (mut at, mut before) = (begun, [0, 0]);
        for (number, step) in behavior.steps.iter().enumerate() {
            if behavior.random && begun.elapsed() > BUDGET {
                break;
            }
            self.take(number, step)
                .await
                .map_err(|error| format!("step {number}, {step:?}: {}", error.message().unwrap_or_default()))?;
            if let Step::LoadFor(_, seconds) = step {
                // Compared with the next step: only when both have settled is it certain that neither is about to do the same.
                tokio::time::sleep(Duration::from_secs(*seconds)).await;
                continue;
            }
            self.settle(Instant::now()).await.map_err(|error| format!("step {number}, {step:?}: {error}"))?;
            let [hpa, flyball] = Side::BOTH.map(|side| self.sizes(side)[before[side as usize]..].to_vec());
            if let Some(difference) = self.difference(at, &hpa, &flyball) {
                differences.push(format!("step {number}, {step:?}: {difference}"));
            }
            (at, before) = (Instant::now(), Side::BOTH.map(|side| self.sizes(side).len()));
        }
        Ok(())
    }

    async fn take(&self, number: usize, step: &Step) -> Result<(), Failed> {
        if let Step::Load(loads) | Step::LoadFor(loads, _) = step {
            for (index, load) in loads.iter().enumerate() {
                self.feeds.set(&format!("{}_{index}", self.behavior.series), *load);
            }
        }
        for side in Side::BOTH {
            let name = self.name(side);
            match step {
                Step::Resize(replicas) => self.twins.resize(self.behavior.kind(), name, *replicas).await?,
                Step::Bounds(min, max) => self.twins.bound(side, name, (*min, *max)).await?,
                Step::Load(_) | Step::LoadFor(..) => {}
            }
        }
        if number == 0 {
            for side in Side::BOTH {
                self.twins.make(&self.behavior, side, self.name(side)).await?;
            }
            for side in Side::BOTH {
                self.twins.autoscale(&self.behavior, side, self.name(side)).await?;
            }
        }
        Ok(())
    }

    /// Waits until every window and period has run out since the last change, and both have synced some more without another.
    async fn settle(&self, since: Instant) -> Result<(), String> {
        let expiry = Duration::from_secs(self.behavior.longest_seconds);
        while since.elapsed() < STEP_DEADLINE {
            tokio::time::sleep(POLL).await;
            let starts = Side::BOTH.iter().filter_map(|&side| self.twins.starts(self.name(side)));
            let Some(whole) = starts.map(|starts| starts.whole_since).collect::<Option<Vec<_>>>() else { continue };
            let changed = Side::BOTH.iter().filter_map(|&side| self.sizes(side).last().map(|seen| seen.at));
            let newest = changed.chain(whole).max();
            let expired = newest.map_or(since, |newest| newest.max(since)) + expiry;
            let synced = |side: &Side| self.fetched(*side).iter().filter(|at| **at > expired).count() >= QUIET_SYNCS;
            if expired.elapsed() >= QUIET && Side::BOTH.iter().all(synced) {
                return Ok(());
            }
        }
        let last = Side::BOTH.map(|side| (self.sizes(side).last().map(|seen| seen.replicas), self.fetched(side).len()));
        Err(format!("not settled within {STEP_DEADLINE:?}; (size, syncs) of HPA and Flyball: {last:?}"))
    }

    /// How the two differ since `at`, if they do.
    fn difference(&self, at: Instant, hpa: &[Seen], flyball: &[Seen]) -> Option<String> {
        let told = |side: &[Seen]| -> Vec<String> {
            side.iter().map(|seen| format!("{} at {:.1} s", seen.replicas, (seen.at - at).as_secs_f64())).collect()
        };
        let same = hpa.iter().map(|seen| seen.replicas).eq(flyball.iter().map(|seen| seen.replicas));
        let starts = Side::BOTH.iter().filter_map(|&side| self.twins.starts(self.name(side)));
        let longest_start = starts.map(|starts| starts.longest).max().unwrap_or_default();
        let tolerance = SYNCS_APART * (self.longest_sync(at) + longest_start) + SLACK;
        let mut previous = (at, at);
        // Held against the change before it, since each may add its own sync to those of the others.
        let together = hpa.iter().zip(flyball).all(|(hpa, flyball)| {
            let (hpa_took, flyball_took) = (hpa.at - previous.0, flyball.at - previous.1);
            previous = (hpa.at, flyball.at);
            hpa_took.abs_diff(flyball_took) <= tolerance
        });
        (!same || !together).then(|| format!("HPA {:?}, Flyball {:?}, within {tolerance:?}", told(hpa), told(flyball)))
    }

    /// The longest pause between two syncs of either side since `at`: a busy machine, and Flyball's longer pauses after failures, count
    /// as what they are.
    fn longest_sync(&self, at: Instant) -> Duration {
        let pauses = Side::BOTH.into_iter().flat_map(|side| {
            let fetched = self.fetched(side);
            let of_step: Vec<Instant> = fetched.into_iter().filter(|fetched| *fetched + SYNC >= at).collect();
            of_step.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
        });
        pauses.max().unwrap_or(SYNC).max(SYNC)
    }
}
