//! From the proposals of all metrics to one recommendation, or to none. Must not know windows or limits.

use super::missing::OnMissing;
use super::trace::{Outcome, Proposal};

/// The highest proposal, or floor of a failing metric, wins. Where any metric failed or was partial, a recommendation below `current`
/// is no recommendation: data that is not there never lowers (HPA rule; a partial answer counts as failed for lowering, which HPA has no
/// notion of). A metric that is to be ignored while it fails does not keep the others from lowering, where there is another that is
/// whole.
/// The second value is the recommendation, 0 or more, exactly where the outcome is [`Outcome::Valid`].
#[must_use]
pub fn combine(proposals: &[Proposal], current: i32) -> (Outcome, Option<i32>) {
    let mut best: Option<(usize, i32)> = None;
    let mut first_failing = None;
    let may_ignore = proposals.iter().any(Proposal::is_whole);
    for (index, proposal) in proposals.iter().enumerate() {
        let left_out = may_ignore && proposal.taken_for == OnMissing::Ignore;
        if !(proposal.is_whole() || left_out) {
            first_failing = first_failing.or(Some(index));
        }
        if let Some(replicas) = proposal.asks()
            && best.is_none_or(|(_, most)| replicas > most)
        {
            best = Some((index, replicas));
        }
    }
    match (best, first_failing) {
        (Some((winner, replicas)), None) => (Outcome::Valid { winner, degraded: false }, Some(replicas.max(0))),
        (Some((winner, replicas)), Some(_)) if replicas >= current => {
            (Outcome::Valid { winner, degraded: true }, Some(replicas.max(0)))
        }
        (_, first) => (Outcome::MetricsFailed { first: first.unwrap_or(0) }, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Absence, Absent, Milli, Reading, Sample, Target};

    /// A reading of one letter: `c`omplete, `p`artial, `m`issing.
    fn proposal((letter, replicas): (char, i32)) -> Proposal {
        let sample = Sample { value: Milli::new(1), series: 1, age_millis: None };
        let absent = Absent { absence: Absence::Warnings, message: "a store did not answer".into() };
        let reading = match letter {
            'c' => Reading::Complete(sample),
            'p' => Reading::Partial(sample, absent),
            _ => Reading::Missing(absent),
        };
        Proposal {
            replicas: (letter != 'm').then_some(replicas),
            reading,
            target: Target::Value(Milli::new(1)),
            ratio: None,
            tolerance: 0.1,
            within_tolerance: false,
            reported: None,
            per_pod: None,
            taken_for: OnMissing::Hold,
            failing: None,
        }
    }

    #[test]
    fn the_highest_wins_and_what_is_missing_never_lowers() {
        let valid = |winner, degraded| Outcome::Valid { winner, degraded };
        let failed = |first| Outcome::MetricsFailed { first };
        let table = [
            (vec![('c', 3)], valid(0, false), Some(3)),
            (vec![('c', 3), ('c', 7), ('c', 5)], valid(1, false), Some(7)),
            (vec![('c', 7), ('c', 7)], valid(0, false), Some(7)),
            (vec![('c', 9), ('m', 0)], valid(0, true), Some(9)),
            (vec![('m', 0), ('c', 5)], valid(1, true), Some(5)),
            (vec![('m', 0), ('c', 4)], failed(0), None),
            (vec![('c', 4), ('m', 0), ('m', 0)], failed(1), None),
            (vec![('p', 9)], valid(0, true), Some(9)),
            (vec![('p', 4)], failed(0), None),
            (vec![('p', 4), ('c', 6)], valid(1, true), Some(6)),
            (vec![], failed(0), None),
        ];
        for (letters, outcome, recommended) in table {
            let proposals: Vec<Proposal> = letters.iter().copied().map(proposal).collect();
            assert_eq!(combine(&proposals, 5), (outcome, recommended), "{letters:?}");
        }
    }
}
