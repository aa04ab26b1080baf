//! Holds the steps of the engine against what HPA decides: one trial per case of `tests/conformance/hpa` and of
//! `tests/conformance/own` (HPA's answers to what Flyball does otherwise on purpose), or of the folder that `FLYBALL_CASES` names. Owns finding, counting and reporting; `cases` knows what a case means, `wire` how it is written.

#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/compare.rs"]
mod compare;
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
    let listed = read_deviations(&here.join("deviations.toml"))?;

    let mut trials = Vec::new();
    if elsewhere.is_none() {
        for case in listed.keys().filter(|id| !cases.iter().any(|case| &case.id == *id)) {
            let problem = format!("deviations.toml lists {case}, and there is no such case");
            trials.push(Trial::test(format!("deviations::{case}"), move || Err(problem.into())));
        }
    }
    for case in cases {
        let deviation = listed.get(&case.id).cloned();
        let deviating = Arc::clone(deviating);
        let name = format!("{}::{}", case.kind, case.id);
        trials.push(Trial::test(name, move || check(&case, deviation.as_ref(), &deviating)));
    }
    Ok(trials)
}

/// Passes where the answer is HPA's, or where it is not and the list says why.
fn check(case: &Case, listed: Option<&Deviation>, deviating: &AtomicU64) -> Result<(), Failed> {
    let answer = cases::answer(&case.kind, &case.input).map_err(|problem| format!("{}: {problem}", case.id))?;
    let differences = compare::differences(&case.expect, &answer);
    match (differences.is_empty(), listed) {
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
            let (about, input) = (&case.about, &case.input);
            Err(format!("{} ({about})\n  input {input}\n  {}", case.id, differences.join("\n  ")).into())
        }
    }
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

fn read_deviations(file: &Path) -> Result<BTreeMap<String, Deviation>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let read: Deviations = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    if let Some(silent) = read.deviation.iter().find(|deviation| deviation.reason.trim().is_empty()) {
        return Err(format!("{}: {} has no reason", file.display(), silent.case));
    }
    Ok(read.deviation.into_iter().map(|deviation| (deviation.case.clone(), deviation)).collect())
}
