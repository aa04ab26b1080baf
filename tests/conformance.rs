//! The conformance suite: facts about what HPA v2 decides, held against the engine. `FLYBALL_CASES=<folder>` reads other cases of the
//! same kinds instead. The last line is the result: `N passed, N failed, N deviations`.

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/rules.rs"]
mod rules;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

use cases::Case;

const NOT_SUPPORTED: &str = "pods and resource metrics are not supported yet";

/// What came of the cases of one kind.
#[derive(Default)]
struct Tally {
    passed: usize,
    deviations: usize,
    not_supported: usize,
    failures: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = std::env::var_os("FLYBALL_CASES").map(PathBuf::from);
    let (cases, deviations) =
        match (cases::read(folder.as_deref().unwrap_or(&cases::own_folder())), cases::deviations()) {
            (Ok(cases), Ok(deviations)) => (cases, deviations),
            (Err(error), _) | (_, Err(error)) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for case in &cases {
        judge(case, deviations.get(&case.id).map(String::as_str), tallies.entry(case.kind.clone()).or_default());
    }
    let mut strays: Vec<String> = Vec::new();
    if folder.is_none() {
        let unknown = deviations.keys().filter(|id| !cases.iter().any(|case| case.id == **id));
        strays.extend(unknown.map(|id| format!("{id} is listed in deviations.toml, but there is no such case")));
    }

    let sum = |count: fn(&Tally) -> usize| tallies.values().map(count).sum::<usize>();
    let (passed, deviating) = (sum(|tally| tally.passed), sum(|tally| tally.deviations));
    let (failed, not_supported) = (sum(|tally| tally.failures.len()) + strays.len(), sum(|tally| tally.not_supported));
    let conclusion = libtest_mimic::run(&arguments, trials(tallies, strays));
    if !arguments.list {
        println!("{not_supported} cases ignored: {NOT_SUPPORTED}");
        println!("{passed} passed, {failed} failed, {deviating} deviations");
    }
    conclusion.exit_code()
}

/// Asks the engine and compares.
fn judge(case: &Case, deviation: Option<&str>, tally: &mut Tally) {
    if rules::is_unsupported(&case.kind) {
        tally.not_supported += 1;
        return;
    }
    let Some(rule) = rules::of_kind(&case.kind) else {
        tally.failures.push(format!("{}: nobody knows the kind {}", case.id, case.kind));
        return;
    };
    let answer = catch_unwind(AssertUnwindSafe(|| rule(&case.input)))
        .unwrap_or_else(|_| Err("the engine panicked".to_owned()))
        .and_then(|answer| if agrees(&case.expect, &answer) { Ok(()) } else { Err(format!("answer {answer}")) });
    match (answer, deviation) {
        (Ok(()), None) => tally.passed += 1,
        (Ok(()), Some(_)) => {
            tally.failures.push(format!("{}: agrees with HPA, but is listed in deviations.toml", case.id));
        }
        (Err(_), Some(_)) => tally.deviations += 1,
        (Err(what), None) => {
            let Case { id, about, expect, input, .. } = case;
            tally.failures.push(format!("{id}: {about}\n    expect {expect}\n    {what}\n    input  {input}"));
        }
    }
}

/// Every key that the case expects is there with the same value; other keys of the answer are not looked at.
fn agrees(expect: &Value, answer: &Value) -> bool {
    let Value::Object(expect) = expect else { return false };
    expect.iter().all(|(key, value)| same(value, &answer[key]))
}

/// Equal, where an absent key is the same as null, and 1 the same as 1.0.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let of = |side: &serde_json::Map<String, Value>, key: &String| side.get(key).cloned().unwrap_or_default();
            left.keys().chain(right.keys()).all(|key| same(&of(left, key), &of(right, key)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Number(left), Value::Number(right)) => {
            left == right || {
                let float = left.is_f64() || right.is_f64();
                float && left.as_f64() == right.as_f64()
            }
        }
        _ => left == right,
    }
}

/// One trial a kind; a kind that is not supported is one that is ignored.
fn trials(tallies: BTreeMap<String, Tally>, strays: Vec<String>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (kind, tally) in tallies {
        if tally.not_supported > 0 {
            let name = format!("{kind} ({} cases): {NOT_SUPPORTED}", tally.not_supported);
            trials.push(Trial::test(name, || Err(NOT_SUPPORTED.into())).with_ignored_flag(true));
            continue;
        }
        let count = tally.passed + tally.deviations + tally.failures.len();
        trials.push(Trial::test(format!("{kind} ({count} cases)"), move || report(&tally.failures)));
    }
    trials.push(Trial::test("deviations name cases", move || report(&strays)));
    trials
}

fn report(failures: &[String]) -> Result<(), Failed> {
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
