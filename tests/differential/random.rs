//! Behaviors that nobody thought of, from a seed that is printed.
//!
//! Within one direction all policies have one period, so that the order in which budgets come free does not hang on the phases of the
//! two loops.

use std::hash::{BuildHasher, RandomState};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::behaviors::{Behavior, Step, Target};

/// Names the seed of the run that is to be repeated.
const SEED_VARIABLE: &str = "FLYBALL_SEED";
/// More than fit into the time of a behavior.
const STEPS: u64 = 12;

/// The seed that was asked for, else a new one.
pub(crate) fn seed() -> Result<u64, Failed> {
    match std::env::var(SEED_VARIABLE) {
        Ok(seed) => Ok(seed.parse().map_err(|_| format!("{SEED_VARIABLE}={seed} is not a whole number"))?),
        Err(_) => Ok(u64::from(u32::try_from(RandomState::new().hash_one(0) >> 32)?)),
    }
}

/// So many behaviors of `seed`, always the same.
pub(crate) fn behaviors(seed: u64, count: u64) -> impl Iterator<Item = Behavior> {
    (0..count).map(move |index| behavior(&mut Dice::new(seed, index), index))
}

/// SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    /// Those of one behavior.
    pub(crate) const fn new(seed: u64, index: u64) -> Self {
        Self(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// From 0 to `end` without it.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).unwrap_or_default()]
    }
}

fn behavior(dice: &mut Dice, index: u64) -> Behavior {
    let (up, up_longest) = rules(dice, &[0, 0, 3]);
    let (down, down_longest) = rules(dice, &[0, 2, 4]);
    let rules = json!({"scaleUp": up, "scaleDown": down});
    let min = 1 + dice.below(3);
    let max = 6 + dice.below(19);
    let start = 1 + dice.below(max);
    // Quarters of a replica's share, up to a fifth more than the maximum bears.
    let steps = (0..STEPS).map(|_| Step::Load(vec![Some(dice.below(max * 12 * 4 / 10) as f64 * 2.5)])).collect();
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Behavior {
        metrics: vec![Target::Average("10")],
        min: signed(min),
        max: signed(max),
        start: signed(start),
        longest_seconds: up_longest.max(down_longest),
        steps,
        random: true,
        ..Behavior::new(&format!("random {index}: {min} to {max}"), Some(rules), &[])
    }
}

/// Rules of one direction, and their longest window or period.
pub(crate) fn rules(dice: &mut Dice, windows: &[u64]) -> (Value, u64) {
    let (window, period) = (dice.pick(windows), 1 + dice.below(3));
    let policies: Vec<Value> = (0..=dice.below(2))
        .map(|_| match dice.below(2) {
            0 => json!({"type": "Pods", "value": 2 + dice.below(4), "periodSeconds": period}),
            _ => json!({"type": "Percent", "value": 40 + dice.below(110), "periodSeconds": period}),
        })
        .collect();
    let select = dice.pick(&["Max", "Max", "Min", "Min", "Disabled"]);
    let mut rules = json!({"stabilizationWindowSeconds": window, "policies": policies, "selectPolicy": select});
    if let Some(tolerance) = dice.pick(&[None, Some("0"), Some("0.05"), Some("0.3")]) {
        rules["tolerance"] = json!(tolerance);
    }
    (rules, window.max(period))
}
