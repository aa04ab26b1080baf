use super::*;
use crate::engine::tests_support::{at, behavior, policy};

fn entry(replicas: i32, seconds: i64) -> Recommendation {
    Recommendation { replicas, at: at(seconds) }
}

fn entries(list: &[(i32, i64)]) -> Vec<Recommendation> {
    list.iter().map(|&(replicas, seconds)| entry(replicas, seconds)).collect()
}

fn state(list: &[(i32, i64)]) -> State {
    State { recommendations: Some(entries(list)), ..State::default() }
}

fn told(highest: &[(i32, i64)], lowest: &[(i32, i64)]) -> Recollection {
    Recollection { highest: entries(highest), lowest: entries(lowest) }
}

/// 300 s before shrinking, and so many before growing.
fn windows(up_seconds: i32) -> Policy {
    let mut policy = policy(2, 20);
    let mut behavior = behavior();
    behavior.up.window_seconds = Some(up_seconds);
    policy.behavior = Some(behavior);
    policy
}

fn standing(policy: &Policy, current: i32, seconds: i64) -> Standing<'_> {
    Standing { policy, current, now: at(seconds) }
}

#[test]
fn a_grain_is_a_tenth_of_the_longest_window_that_can_hold() {
    let mut disabled = windows(900);
    disabled.behavior.as_mut().unwrap().up.select = Select::Disabled;
    let table = [
        ("the default", policy(2, 20), 30_000),
        ("of the longer window", windows(900), 90_000),
        ("never shorter than 30 s", Policy { downscale_window_seconds: 60, ..policy(2, 20) }, 30_000),
        ("no window at all", Policy { downscale_window_seconds: 0, ..policy(2, 20) }, 30_000),
        ("nonsense", Policy { downscale_window_seconds: -7, ..policy(2, 20) }, 30_000),
        ("a disabled direction has no window", disabled, 30_000),
    ];
    for (name, policy, millis) in table {
        assert_eq!(grain_millis(&policy), millis, "{name}");
        assert_eq!(patience_millis(&policy, 15), 2 * millis + 15_000, "{name}");
    }
}

#[test]
fn only_what_can_still_hold_is_told() {
    let table: [(&str, Policy, i32, State, Recollection); 14] = [
        ("never seen", windows(60), 10, State::default(), told(&[], &[])),
        ("all as it is", windows(60), 10, state(&[(10, -15), (10, 0)]), told(&[], &[])),
        (
            "a peak and what came after",
            windows(0),
            10,
            state(&[(7, -60), (10, -30), (4, -15), (4, 0)]),
            told(&[(10, -30), (4, 0)], &[]),
        ),
        (
            "stored in any order",
            windows(0),
            10,
            state(&[(4, 0), (10, -30), (7, -60), (4, -15)]),
            told(&[(10, -30), (4, 0)], &[]),
        ),
        ("a peak that is now", windows(0), 10, state(&[(4, -15), (10, 0)]), told(&[], &[])),
        ("more than there is", windows(0), 10, state(&[(15, -15), (10, 0)]), told(&[(15, -15), (10, 0)], &[])),
        ("growing is delayed", windows(60), 10, state(&[(10, -15), (14, 0)]), told(&[(14, 0)], &[(10, -15), (14, 0)])),
        (
            "older than its window",
            windows(60),
            10,
            state(&[(10, -301), (3, -61), (4, -50), (5, 0)]),
            told(&[(5, 0)], &[(4, -50), (5, 0)]),
        ),
        ("the far edge is told", windows(0), 10, state(&[(10, -300), (4, 0)]), told(&[(10, -300), (4, 0)], &[])),
        ("below the minimum all is one", windows(60), 2, state(&[(0, -15), (1, 0)]), told(&[], &[])),
        ("above the maximum as well", windows(60), 20, state(&[(57, -15), (31, 0)]), told(&[], &[])),
        (
            "a time without data, and no window of growing",
            windows(0),
            10,
            State { blind: Some(entry(10, 0)), ..state(&[(4, -15)]) },
            told(&[], &[]),
        ),
        (
            "a time without data says nothing of growing",
            windows(60),
            10,
            State { blind: Some(entry(10, 0)), ..state(&[(4, -15)]) },
            told(&[(10, 0)], &[(4, -15)]),
        ),
        (
            "from the life before",
            windows(60),
            10,
            State { recalled: told(&[(10, -90), (6, -40)], &[(5, -40)]), ..state(&[(6, -15), (6, 0)]) },
            told(&[(10, -90), (6, 0)], &[(5, -40), (6, 0)]),
        ),
    ];
    for (name, policy, current, state, expected) in table {
        assert_eq!(Recollection::of(&state, standing(&policy, current, 0)), expected, "{name}");
        assert!(expected.suffices(&state, standing(&policy, current, 0)), "{name}");
    }
}

#[test]
fn directions_and_modes_that_remember_nothing_tell_nothing() {
    let remembered = state(&[(10, -30), (4, 0)]);
    let mut disabled = windows(0);
    disabled.behavior.as_mut().unwrap().down.select = Select::Disabled;
    let table = [
        ("scaleDown is disabled", disabled),
        ("no window", Policy { downscale_window_seconds: 0, ..policy(2, 20) }),
        ("a dry run", Policy { mode: Mode::DryRun, ..policy(2, 20) }),
        ("paused", Policy { mode: Mode::Paused { replicas: None }, ..policy(2, 20) }),
    ];
    for (name, policy) in table {
        assert!(Recollection::of(&remembered, standing(&policy, 10, 0)).is_empty(), "{name}");
        assert!(Recollection::default().suffices(&remembered, standing(&policy, 10, 0)), "{name}");
    }
}

#[test]
fn it_is_told_anew_once_a_grain_or_at_once_where_it_would_lower() {
    let known = told(&[(10, 0), (4, 15)], &[]);
    let remembered = |more: &[(i32, i64)]| state(&[&[(10, 0), (4, 15)], more].concat());
    let table = [
        ("the same goes on", &[(4, 30), (4, 45)][..], 45, true),
        ("a grain has passed", &[(4, 30), (4, 45), (4, 60)], 60, false),
        ("less, for less than a grain", &[(3, 30), (3, 45)], 45, true),
        ("less, for more than a grain", &[(3, 30), (3, 46)], 46, false),
        ("more than it says", &[(5, 30)], 30, false),
        ("more than it says, a grain before it is outdated", &[(11, 16), (4, 30)], 30, false),
    ];
    for (name, more, seconds, suffices) in table {
        let policy = windows(0);
        assert_eq!(known.suffices(&remembered(more), standing(&policy, 10, seconds)), suffices, "{name}");
    }
    // Nothing told is as good as the present size, for a grain.
    for (seconds, suffices) in [(30, true), (31, false)] {
        let nothing = Recollection::default();
        let policy = windows(0);
        assert_eq!(nothing.suffices(&state(&[(10, 0), (4, seconds)]), standing(&policy, 10, seconds)), suffices);
    }
    // What holds growing is told at once: it would be free after a restart.
    let nothing = Recollection::default();
    let policy = windows(60);
    assert!(!nothing.suffices(&state(&[(10, 0), (14, 15)]), standing(&policy, 10, 15)));
}

#[test]
fn what_a_restart_makes_of_it() {
    let known = told(&[(10, 0), (4, 15)], &[(4, 15)]);
    let patience = Some(75_000);
    let table = [
        ("at once", known.clone(), 15, patience, told(&[(10, 0), (4, 15), (4, 15)], &[(4, 15)])),
        ("in time", known.clone(), 90, patience, told(&[(10, 0), (4, 15), (4, 90)], &[])),
        ("too late", known.clone(), 91, patience, told(&[(10, 0), (4, 15), (8, 91)], &[])),
        ("something was missed", known.clone(), 16, None, told(&[(10, 0), (4, 15), (8, 16)], &[(4, 15)])),
        ("the clock went backwards", known.clone(), 14, patience, told(&[(10, 0), (8, 14)], &[])),
        ("all is outdated", known.clone(), 999, patience, told(&[(8, 999)], &[])),
        ("the far edge of growing", known, 75, patience, told(&[(10, 0), (4, 15), (4, 75)], &[(4, 15)])),
        ("only growing was told", told(&[], &[(4, 15)]), 20, patience, told(&[(8, 20)], &[(4, 15)])),
    ];
    for (name, known, seconds, patience, expected) in table {
        let policy = windows(60);
        let standing = standing(&policy, 8, seconds);
        assert_eq!(known.recalled(standing, patience), expected, "{name}");
        let mut state = State::default();
        state.recall(&known, standing, patience);
        assert_eq!((state.recommendations, state.recalled), (Some(vec![]), expected), "{name}");
    }
    let mut state = State::default();
    let policy = windows(60);
    state.recall(&Recollection::default(), standing(&policy, 8, 0), patience);
    assert_eq!(state, State::default(), "nothing told: the first decision seeds the present size");
}

#[test]
fn a_time_in_which_nobody_looked_counts_as_one_without_data() {
    let blind = Some(entry(8, 200));
    let remembered = State { recalled: told(&[(10, 150)], &[]), ..state(&[(10, 0), (4, 100)]) };
    let table = [
        ("never seen", State::default(), None),
        ("a while ago", state(&[(10, 0), (4, 125)]), None),
        ("too long ago", state(&[(10, 0), (4, 124)]), blind),
        ("no data, a while ago", State { blind: Some(entry(9, 130)), ..state(&[(4, 0)]) }, Some(entry(9, 130))),
        ("known from the life before", remembered, None),
        ("yet to come", state(&[(4, 201)]), blind),
        ("nothing remembered", state(&[]), blind),
    ];
    for (name, mut state, expected) in table {
        let policy = windows(60);
        state.notice_absence(standing(&policy, 8, 200), 75_000);
        assert_eq!(state.blind, expected, "{name}");
    }
}

#[test]
fn what_is_too_much_is_put_together_on_the_safe_side() {
    let policy = Policy { max_replicas: 500, ..windows(300) };
    // Falling by one every 5 s, then growing by one every 5 s.
    let falling = state(&(0..60).map(|step| (200 - step, i64::from(step) * 5 - 295)).collect::<Vec<_>>());
    let highest = Recollection::of(&falling, standing(&policy, 200, 0)).highest;
    assert_eq!(highest.len(), 10);
    assert_eq!(highest[0], entry(200, -270), "the highest of the first 30 s, as long as the youngest of them");
    assert_eq!(highest[9], entry(146, 0));
    let growing = state(&(0..60).map(|step| (100 + step, i64::from(step) * 5 - 295)).collect::<Vec<_>>());
    let lowest = Recollection::of(&growing, standing(&policy, 100, 0)).lowest;
    assert_eq!(lowest.len(), 10);
    assert_eq!(lowest[0], entry(100, -295), "the lowest of the first 30 s, as long as itself");
    assert_eq!(lowest[9], entry(154, -25));
}

#[test]
fn instants_yet_to_come_count_as_now_and_one_stands_for_all_of_its_instant() {
    let policy = windows(60);
    let told = Recollection::of(&state(&[(10, 500), (4, 0)]), standing(&policy, 8, 0));
    assert_eq!((told.highest, told.lowest), (entries(&[(10, 0)]), entries(&[(4, 0)])));
}
