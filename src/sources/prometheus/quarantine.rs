//! Which queries are not to be asked together for a while, learned from groups that failed. A pure structure; instants come in as values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a lesson holds. An outage of a part of the storage is over by then, or goes on costing one round of single queries each five
/// minutes.
pub(super) const QUARANTINE: Duration = Duration::from_secs(300);
/// Queries that lessons are kept on, about 100 bytes each beside the text. Beyond it the oldest lesson is forgotten.
const MAX_LESSONS: usize = 4_096;

/// The company that a query may keep: only queries of one company are asked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Company {
    /// The most members of a group.
    pub(super) most: usize,
    /// Its own answer carries warnings, so those of a group are no news to it, and must not fall on anybody else.
    pub(super) warned: bool,
}

impl Company {
    /// Any number of others that nothing is known against.
    pub(super) const ANY: Self = Self { most: usize::MAX, warned: false };
    /// Nobody.
    pub(super) const NONE: Self = Self { most: 1, warned: false };
}

/// How a member of a failed group fared by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alone {
    /// It was answered.
    Answered,
    /// It was answered with warnings.
    Warned,
    /// The server stumbled over it.
    Failed,
    /// It ran out of time, and so did the others: the group was too much, or the server is slow.
    Slow,
    /// It could not be found out: the server did not answer at all.
    Unknown,
}

/// All lessons.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    lessons: BTreeMap<Arc<str>, (Duration, Company)>,
}

impl Quarantine {
    /// The company that `promql` may keep at `now`.
    #[must_use]
    pub(super) fn company(&self, promql: &str, now: Duration) -> Company {
        match self.lessons.get(promql) {
            Some((until, company)) if now < *until => *company,
            _ => Company::ANY,
        }
    }

    /// Learns from a group that failed and whose members were then asked alone: those that fail alone stay alone, those that are warned
    /// alone keep to each other. Where nobody is to blame the group was too much as a whole: next time each keeps to half of it.
    pub(super) fn learn(&mut self, members: &[(Arc<str>, Alone)], now: Duration) {
        let somebody = members.iter().any(|(_, alone)| matches!(alone, Alone::Failed | Alone::Warned | Alone::Slow));
        let halved = Company { most: members.len().div_ceil(2).max(1), ..Company::ANY };
        for (promql, alone) in members {
            let company = match alone {
                Alone::Failed => Company::NONE,
                Alone::Warned => Company { warned: true, ..Company::ANY },
                Alone::Slow => halved,
                Alone::Answered if !somebody => halved,
                Alone::Answered | Alone::Unknown => continue,
            };
            self.keep(promql, (now + QUARANTINE, company), now);
        }
    }

    fn keep(&mut self, promql: &Arc<str>, lesson: (Duration, Company), now: Duration) {
        if self.lessons.len() >= MAX_LESSONS && !self.lessons.contains_key(promql) {
            self.lessons.retain(|_, (until, _)| now < *until);
            let oldest = self.lessons.iter().min_by_key(|(_, (until, _))| *until).map(|(promql, _)| promql.clone());
            if let Some(oldest) = oldest.filter(|_| self.lessons.len() >= MAX_LESSONS) {
                self.lessons.remove(&oldest);
            }
        }
        self.lessons.insert(promql.clone(), lesson);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn after(members: &[(&str, Alone)]) -> Vec<Company> {
        let mut quarantine = Quarantine::default();
        let members: Vec<(Arc<str>, Alone)> =
            members.iter().map(|(promql, alone)| (Arc::from(*promql), *alone)).collect();
        quarantine.learn(&members, NOW);
        members.iter().map(|(promql, _)| quarantine.company(promql, NOW)).collect()
    }

    #[test]
    fn who_is_to_blame_keeps_apart_and_the_others_stay_together() {
        let warned = Company { warned: true, ..Company::ANY };
        let half = Company { most: 2, ..Company::ANY };
        use Alone::{Answered, Failed, Slow, Unknown, Warned};
        for (members, expected) in [
            (vec![("a", Answered), ("b", Failed)], vec![Company::ANY, Company::NONE]),
            (vec![("a", Answered), ("b", Warned), ("c", Failed)], vec![Company::ANY, warned, Company::NONE]),
            (vec![("a", Answered), ("b", Answered), ("c", Answered)], vec![half; 3]),
            (vec![("a", Answered), ("b", Answered), ("c", Unknown)], vec![half, half, Company::ANY]),
            (vec![("a", Answered), ("b", Slow), ("c", Slow)], vec![Company::ANY, half, half]),
            (vec![("a", Unknown), ("b", Unknown)], vec![Company::ANY; 2]),
        ] {
            assert_eq!(after(&members), expected, "{members:?}");
        }
    }

    #[test]
    fn groups_that_fail_again_and_again_end_as_single_queries_and_begin_anew() {
        let mut quarantine = Quarantine::default();
        let mut size = 100;
        for round in 0..7 {
            let group: Vec<_> = (0..size).map(|index| (Arc::from(index.to_string()), Alone::Answered)).collect();
            quarantine.learn(&group, NOW + Duration::from_secs(round));
            size = quarantine.company("0", NOW + Duration::from_secs(round)).most;
        }
        assert_eq!(size, 1);
        assert_eq!(quarantine.company("0", NOW + QUARANTINE * 2), Company::ANY);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_lesson_goes_first() {
        let mut quarantine = Quarantine::default();
        for index in 0..MAX_LESSONS + 10 {
            let second = Duration::from_millis(u64::try_from(index).unwrap());
            quarantine.learn(&[(Arc::from(format!("q{index}")), Alone::Failed)], NOW + second);
        }
        assert_eq!(quarantine.lessons.len(), MAX_LESSONS);
        assert_eq!(quarantine.company("q9", NOW), Company::ANY);
        assert_eq!(quarantine.company("q10", NOW), Company::NONE);
    }
}
