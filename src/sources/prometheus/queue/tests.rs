//! The queue over tables and random histories.

use proptest::prelude::*;

use super::*;

fn name(index: usize) -> Arc<str> {
    format!("ns-{index}").into()
}

#[test]
fn namespaces_take_turns() {
    let mut queue = Queue::new(100);
    for item in 0..4 {
        assert_eq!(queue.push(&name(0), item), None);
    }
    for item in [10, 11] {
        assert_eq!(queue.push(&name(1), item), None);
    }
    assert_eq!(queue.push(&name(2), 20), None);
    let served: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
    assert_eq!(served, [0, 10, 20, 1, 11, 2, 3]);
    assert!(queue.is_empty());
}

#[test]
fn a_full_queue_makes_room_for_the_others_at_the_cost_of_the_longest_line() {
    let mut queue = Queue::new(4);
    for item in 0..4 {
        assert_eq!(queue.push(&name(0), item), None);
    }
    assert_eq!(queue.push(&name(0), 4), Some(4), "its own line is the longest");
    assert_eq!(queue.push(&name(1), 10), Some(3));
    assert_eq!(queue.push(&name(1), 11), Some(2));
    assert_eq!(queue.push(&name(1), 12), Some(12), "two each is fair");
    assert_eq!((queue.len(), queue.waiting("ns-0"), queue.waiting("ns-1")), (4, 2, 2));
    queue.retain(|item| *item != 0 && *item != 1);
    assert_eq!((queue.len(), queue.pop(), queue.pop(), queue.pop()), (2, Some(10), Some(11), None));
}

#[test]
fn no_room_at_all_is_survived() {
    let mut queue = Queue::new(0);
    assert_eq!(queue.push(&name(0), 1), Some(1));
    assert_eq!(queue.pop(), None);
}

proptest! {
    /// While a namespace waits, each other one is served at most once before it is; within a line, order is kept; nobody is lost.
    #[test]
    fn nobody_waits_for_more_than_one_of_each_other(
        history in proptest::collection::vec(prop_oneof![(0_usize..6).prop_map(Some), Just(None)], 0..300),
        limit in 1_usize..40,
    ) {
        let mut queue = Queue::new(limit);
        let (mut pushed, mut gone) = (0_usize, 0_usize);
        let mut served_since: BTreeMap<usize, BTreeMap<usize, u32>> = BTreeMap::new();
        let mut last_of: BTreeMap<usize, usize> = BTreeMap::new();
        for step in history {
            if let Some(namespace) = step {
                pushed += 1;
                gone += usize::from(queue.push(&name(namespace), (namespace, pushed)).is_some());
            } else if let Some((namespace, number)) = queue.pop() {
                gone += 1;
                let last = last_of.insert(namespace, number);
                prop_assert!(last.is_none_or(|last| last < number), "order within a line");
                served_since.remove(&namespace);
                for other in (0..6).filter(|other| queue.waiting(&name(*other)) > 0 && *other != namespace) {
                    let times = served_since.entry(other).or_default().entry(namespace).or_default();
                    *times += 1;
                    prop_assert!(*times <= 1, "{} was served twice while {} waited", namespace, other);
                }
            }
            served_since.retain(|waiting, _| queue.waiting(&name(*waiting)) > 0);
            prop_assert!(queue.len() <= limit);
            prop_assert_eq!(queue.len(), pushed - gone);
        }
    }
}
