use super::*;
use crate::engine::fixtures::{NOW, ago, policy, remembered, windows as behavior_windows};

/// Recommendations by age, the present and the recommended size, and what comes of them.
type Case = (&'static [(i32, i64)], (i32, i32), (i32, Option<(Direction, Option<i64>)>));

/// The step on remembered (replicas, age in seconds): stabilized number, direction held, seconds until it may go.
fn held(
    behavior: Option<Behavior>,
    remembered_ones: &[(i32, i64)],
    (current, recommended): (i32, i32),
) -> (i32, Option<(Direction, Option<i64>)>) {
    let policy = Policy { behavior, ..policy(1) };
    let mut state = remembered(remembered_ones);
    let result = stabilize(&policy, &mut state, Recommendation { replicas: recommended, at: NOW }, current);
    let stored = state.recommendations.unwrap();
    assert!(stored.contains(&Recommendation { replicas: recommended, at: NOW }), "the raw number is remembered");
    let until = |held: Held| held.until.map(|until| until.millis_since(NOW) / 1000);
    (result.replicas, result.held.map(|held| (held.direction, until(held))))
}

#[test]
fn without_behavior_the_highest_of_the_window_holds() {
    let down = |until| Some((Direction::Down, Some(until)));
    let cases: [Case; 7] = [
        (&[], (10, 4), (4, None)),
        (&[(8, 100)], (10, 4), (8, down(200))),
        (&[(8, 300)], (10, 4), (8, down(0))), // exactly as old as the window still counts
        (&[(8, 301)], (10, 4), (4, None)),
        (&[(8, 100), (8, 40), (6, 5)], (10, 4), (8, down(260))), // the youngest that holds
        (&[(2, 100)], (4, 8), (8, None)),                        // up is never delayed
        (&[(15, 10)], (6, 4), (6, down(290))),                   // somebody lowered it to 6: HPA goes back to 15
    ];
    for (stored, numbers, expected) in cases {
        assert_eq!(held(None, stored, numbers), expected, "{stored:?} {numbers:?}");
    }
}

#[test]
fn with_behavior_each_window_holds_its_direction() {
    let up = |until| Some((Direction::Up, Some(until)));
    let down = |until| Some((Direction::Down, Some(until)));
    let cases: [Case; 8] = [
        (&[(5, 30), (7, 10)], (3, 9), (5, up(30))),
        (&[(5, 60), (7, 10)], (3, 9), (7, up(50))), // exactly as old as the window no longer counts
        (&[(1, 30)], (4, 9), (4, up(30))),          // held at the present size
        (&[(8, 100)], (10, 4), (8, down(20))),
        (&[(8, 120)], (10, 4), (4, None)),
        (&[(12, 100)], (10, 4), (10, down(20))),
        (&[(2, 10), (20, 10)], (6, 6), (6, None)),
        (&[], (10, 4), (4, None)),
    ];
    for (stored, numbers, expected) in cases {
        let behavior = Some(behavior_windows(Some(60), Some(120)));
        assert_eq!(held(behavior, stored, numbers), expected, "{stored:?} {numbers:?}");
    }
}

#[test]
fn an_unset_window_is_0_growing_and_the_policys_shrinking() {
    let unset = || Some(behavior_windows(None, None));
    assert_eq!(held(unset(), &[(1, 1)], (3, 9)), (9, None));
    assert_eq!(held(unset(), &[(8, 299)], (9, 3)), (8, Some((Direction::Down, Some(1)))));
    assert_eq!(held(unset(), &[(8, 300)], (9, 3)), (3, None));
}

#[test]
fn places_of_outdated_recommendations_are_used_again() {
    let replicas = |stored: &[Recommendation]| stored.iter().map(|stored| stored.replicas).collect::<Vec<_>>();
    let new = Recommendation { replicas: 9, at: NOW };
    let stored =
        |ages: &[i64]| ages.iter().map(|age| Recommendation { replicas: 1, at: ago(*age) }).collect::<Vec<_>>();
    // The last outdated place; one exactly as old as the window keeps its own.
    for (ages, expected) in [(&[301, 400, 10], &[1, 9, 1][..]), (&[300, 10, 10], &[1, 1, 1, 9])] {
        let mut one = stored(ages);
        simple(&mut one, new, 300);
        assert_eq!(replicas(&one), expected, "{ages:?}");
        let mut other = stored(ages);
        with_windows(&mut other, new, 1, (60, 300));
        assert_eq!(replicas(&other), expected, "{ages:?}");
    }
}
