//! Holds the steps of the engine against what HPA decides: one trial per case of `tests/conformance/hpa` and of
//! `tests/conformance/own` (HPA's answers to what Flyball does otherwise on purpose), or of the folder that `FLYBALL_CASES` names. Owns finding, counting and reporting; `cases` knows what a case means, `wire` how it is written.

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/compare.rs"]
mod compare;
#[path = "conformance/differences.rs"]
mod differences;
#[path = "conformance/mutated.rs"]
mod mutated;
#[path = "conformance/pods.rs"]
mod pods;
#[path = "conformance/sync.rs"]
mod sync;
#[path = "conformance/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::Value;

/// Passes made up to hold the differences against Flyball.
const MUTATED_PASSES: u64 = 5_000;

/// One case as it stands in a file.
#[derive(Deserialize, Clone)]
struct Case {
    id: String,
    kind: String,
    #[serde(default)]
    about: String,
    input: Value,
    expect: Value,
}

#[derive(Deserialize, Default)]
struct Deviations {
    #[serde(default)]
    deviation: Vec<Deviation>,
    #[serde(default)]
    difference: Vec<ListedDifference>,
}

/// A deliberate difference that counts wherever a case turns on it.
#[derive(Deserialize)]
struct ListedDifference {
    name: String,
    reason: String,
}

/// What may deviate.
struct Listed {
    by_case: BTreeMap<String, Deviation>,
    differences: Vec<ListedDifference>,
}

#[derive(Deserialize, Clone)]
struct Deviation {
    case: String,
    reason: String,
    /// What Flyball answers instead, compared as `expect` is.
    #[serde(default)]
    flyball: Option<Value>,
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let deviating = Arc::new(AtomicU64::new(0));
    let trials = match trials(&deviating) {
        Ok(trials) => trials,
        Err(problem) => {
            eprintln!("the conformance cases cannot be read: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let only_list = args.list;
    let conclusion = libtest_mimic::run(&args, trials);
    if !only_list {
        let deviations = deviating.load(Ordering::Relaxed);
        let passed = conclusion.num_passed.saturating_sub(deviations);
        println!("{passed} passed, {} failed, {deviations} deviations", conclusion.num_failed);
    }
    conclusion.exit_code()
}

fn trials(deviating: &Arc<AtomicU64>) -> Result<Vec<Trial>, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let elsewhere = std::env::var_os("FLYBALL_CASES").map(PathBuf::from);
    let cases = match &elsewhere {
        Some(folder) => read_cases(folder)?,
        None => [read_cases(&here.join("hpa"))?, read_cases(&here.join("own"))?].concat(),
    };
    let listed = Arc::new(read_deviations(&here.join("deviations.toml"))?);

    let mut trials = Vec::new();
    if elsewhere.is_none() {
        for case in listed.by_case.keys().filter(|id| !cases.iter().any(|case| &case.id == *id)) {
            let problem = format!("deviations.toml lists {case}, and there is no such case");
            trials.push(Trial::test(format!("deviations::{case}"), move || Err(problem.into())));
        }
        trials.extend(differences_hold(&cases, &listed));
    }
    for case in cases {
        let (listed, deviating) = (Arc::clone(&listed), Arc::clone(deviating));
        let name = format!("{}::{}", case.kind, case.id);
        trials.push(Trial::test(name, move || check(&case, &listed, &deviating)));
    }
    Ok(trials)
}

/// Passes where the answer is HPA's, or where it is not and the list says why.
fn check(case: &Case, listed: &Listed, deviating: &AtomicU64) -> Result<(), Failed> {
    let answer = cases::answer(&case.kind, &case.input).map_err(|problem| format!("{}: {problem}", case.id))?;
    let differences = compare::differences(&case.expect, &answer);
    match (differences.is_empty(), listed.by_case.get(&case.id)) {
        (true, None) => Ok(()),
        (false, Some(deviation)) => {
            let own = deviation.flyball.as_ref().map(|own| compare::differences(own, &answer)).unwrap_or_default();
            if !own.is_empty() {
                return Err(format!("{} deviates otherwise than listed\n  {}", case.id, own.join("\n  ")).into());
            }
            deviating.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        (true, Some(Deviation { reason, .. })) => {
            Err(format!("{} does not deviate any more; take it out of deviations.toml ({reason})", case.id).into())
        }
        (false, None) => {
            let why = match bearing(case, &answer, listed) {
                Ok(names) => {
                    println!("{} deviates by {}", case.id, names.join(", "));
                    deviating.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(why) => why,
            };
            let (about, input) = (&case.about, &case.input);
            Err(format!("{} ({about}; {why})\n  input {input}\n  {}", case.id, differences.join("\n  ")).into())
        }
    }
}

/// The names of the listed differences that lead from HPA's answer to Flyball's.
fn bearing(case: &Case, answer: &Value, listed: &Listed) -> Result<Vec<&'static str>, String> {
    if case.kind != "sync" {
        return Err("differences are of whole passes only".to_owned());
    }
    let found = differences::explain(&case.input, &case.expect, answer)?;
    let names: Vec<&'static str> = found.into_iter().map(differences::Difference::name).collect();
    match names.iter().find(|name| !listed.differences.iter().any(|listed| listed.name == **name)) {
        Some(unlisted) => Err(format!("it turns on {unlisted:?}, which deviations.toml does not list")),
        None => Ok(names),
    }
}

/// That what explains deviations is right itself: it knows HPA's answer to every pass, explains each listed deviation of one, and no wrong
/// answer in its place.
fn differences_hold(cases: &[Case], listed: &Arc<Listed>) -> Vec<Trial> {
    let passes: Vec<Case> = cases.iter().filter(|case| case.kind == "sync").cloned().collect();
    let inputs: Vec<Value> = passes.iter().map(|case| case.input.clone()).collect();
    let (known, listed) = (passes.clone(), Arc::clone(listed));
    let agree = move || {
        let wrong =
            |case: &Case| differences::agrees(&case.input, &case.expect).err().map(|why| format!("{}: {why}", case.id));
        let wrong: Vec<String> = known.iter().filter_map(wrong).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
    };
    let explain = move || {
        for case in passes.iter().filter(|case| listed.by_case.contains_key(&case.id)) {
            let mut answer = cases::answer(&case.kind, &case.input)?;
            bearing(case, &answer, &listed).map_err(|why| format!("{}: {why}", case.id))?;
            for wrong in [-1, 1] {
                let right = answer["desired"].as_i64().ok_or("no size")?;
                answer["desired"] = (right + wrong).into();
                if bearing(case, &answer, &listed).is_ok() {
                    return Err(format!("{}: {} passes as well", case.id, right + wrong).into());
                }
                answer["desired"] = right.into();
            }
        }
        Ok(())
    };
    vec![
        Trial::test("differences::with_all_of_them_hpa_is_flyball", move || with_all_hpa_is_flyball(&inputs)),
        Trial::test("differences::they_start_from_what_hpa_answers", agree),
        Trial::test("differences::they_explain_the_listed_deviations_and_no_wrong_answer", explain),
    ]
}

/// That nothing but the differences is between HPA and Flyball, on many passes that nobody wrote down.
fn with_all_hpa_is_flyball(known: &[Value]) -> Result<(), Failed> {
    let (mut compared, mut wrong) = (0, Vec::new());
    for input in mutated::passes(known, MUTATED_PASSES) {
        let Ok(answer) = cases::answer("sync", &input) else { continue };
        match differences::leads_to(&input, &answer) {
            Ok(is_modelled) => compared += u64::from(is_modelled),
            Err(why) => wrong.push(format!("{why}\n  input {input}")),
        }
    }
    if wrong.is_empty() && compared >= MUTATED_PASSES / 2 {
        return Ok(());
    }
    let first: Vec<String> = wrong.iter().take(3).cloned().collect();
    Err(format!("{} of {compared} differ\n{}", wrong.len(), first.join("\n")).into())
}

fn read_cases(folder: &Path) -> Result<Vec<Case>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry.map_err(|error| format!("{}: {error}", folder.display()))?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    if files.is_empty() {
        return Err(format!("{} holds no .json file", folder.display()));
    }
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let read: Vec<Case> = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        cases.extend(read);
    }
    Ok(cases)
}

fn read_deviations(file: &Path) -> Result<Listed, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let read: Deviations = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    if let Some(silent) = read.deviation.iter().find(|deviation| deviation.reason.trim().is_empty()) {
        return Err(format!("{}: {} has no reason", file.display(), silent.case));
    }
    let is_bad = |listed: &&ListedDifference| {
        let is_known = differences::Difference::ALL.iter().any(|difference| difference.name() == listed.name);
        !is_known || listed.reason.trim().is_empty()
    };
    if let Some(bad) = read.difference.iter().find(is_bad) {
        return Err(format!("{}: {:?} is no difference, or has no reason", file.display(), bad.name));
    }
    let by_case = read.deviation.into_iter().map(|deviation| (deviation.case.clone(), deviation)).collect();
    Ok(Listed { by_case, differences: read.difference })
}
