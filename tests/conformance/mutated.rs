//! Passes that nobody wrote down: known ones with a few facts changed, always the same. Knows what may be changed; must not know answers.

use serde_json::{Value, json};

/// So many of them, from the inputs of known passes.
pub(crate) fn passes(known: &[Value], count: u64) -> impl Iterator<Item = Value> {
    (0..count).filter_map(move |seed| {
        let mut dice = Dice(seed);
        let mut input = dice.pick(known)?.clone();
        for _ in 0..=dice.below(3) {
            change(&mut input, &mut dice);
        }
        Some(input)
    })
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).ok()?)
    }

    fn pick_mut<'a>(&mut self, of: &'a mut Value) -> Option<&'a mut Value> {
        let of = of.as_array_mut()?;
        let index = self.below(of.len() as u64);
        of.get_mut(usize::try_from(index).ok()?)
    }
}

/// Changes one fact; nothing where the pass has no such fact.
fn change(input: &mut Value, dice: &mut Dice) {
    match dice.below(10) {
        0 => input["target"]["spec_replicas"] = (1 + dice.below(12)).into(),
        1 => input["target"]["status_replicas"] = (1 + dice.below(14)).into(),
        2 => {
            let stored = |dice: &mut Dice| json!({"replicas": dice.below(15), "age_s": dice.below(400)});
            input["recommendations"] = (0..dice.below(3)).map(|_| stored(dice)).collect();
        }
        fact @ 3..=6 => {
            let phase = *dice.pick(&["Running", "Pending", "Failed", "Succeeded"]).unwrap_or(&"Running");
            let Some(pod) = dice.pick_mut(&mut input["pods"]) else { return };
            match fact {
                3 => pod["phase"] = phase.into(),
                4 => pod["deleting"] = true.into(),
                5 => pod["ready"] = "False".into(),
                _ => pod["containers"] = json!([{"name": "c1"}]),
            }
        }
        fact => {
            let Some(metric) = dice.pick_mut(&mut input["metrics"]) else { return };
            let observed = &mut metric["observed"];
            match (fact, observed.as_array_mut()) {
                (7, Some(samples)) => drop(samples.pop()),
                (8, Some(samples)) => {
                    let stray = samples.first().cloned();
                    samples.extend(stray.map(|mut stray| {
                        stray["pod"] = "gone".into();
                        stray
                    }));
                }
                (7, None) => *observed = json!({"failure": true}),
                _ => scale(observed, i64::try_from(dice.below(12)).unwrap_or_default()),
            }
        }
    }
}

/// All amounts so many quarters of what they are.
fn scale(observed: &mut Value, quarters: i64) {
    match observed {
        Value::Array(list) => list.iter_mut().for_each(|value| scale(value, quarters)),
        Value::Object(fields) => {
            let amounts = fields.iter_mut().filter(|(key, _)| !matches!(key.as_str(), "age_s" | "window_s"));
            amounts.for_each(|(_, value)| scale(value, quarters));
        }
        other => {
            if let Some(amount) = other.as_i64() {
                *other = amount.saturating_mul(quarters).div_euclid(4).into();
            }
        }
    }
}
