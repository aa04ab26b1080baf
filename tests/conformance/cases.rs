//! Case files and the list of deviations: reading only. Knows no rule.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One fact about HPA.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// The rule; for `calc` with the calculation, as in `calc:object_value`.
    pub(crate) kind: String,
    pub(crate) about: String,
    pub(crate) input: Value,
    pub(crate) expect: Value,
}

/// The suite's own folder.
pub(crate) fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/hpa")
}

/// All cases of all JSON files in `folder`, in the order of file names.
pub(crate) fn read(folder: &Path) -> Result<Vec<Case>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let list: Vec<Value> = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        for value in list {
            cases.push(case(value).map_err(|error| format!("{}: {error}", file.display()))?);
        }
    }
    if cases.is_empty() { Err(format!("{}: no cases in *.json", folder.display())) } else { Ok(cases) }
}

fn case(mut value: Value) -> Result<Case, String> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let id = text("id").ok_or("a case without an id")?;
    let mut kind = text("kind").ok_or_else(|| format!("{id}: no kind"))?;
    let about = text("about").unwrap_or_default();
    if kind == "calc" {
        let calc = value["input"]["calc"].as_str().ok_or_else(|| format!("{id}: no input.calc"))?;
        kind = format!("calc:{calc}");
    }
    Ok(Case { id, kind, about, input: value["input"].take(), expect: value["expect"].take() })
}

/// The deviations that are meant: case id to reason.
pub(crate) fn deviations() -> Result<BTreeMap<String, String>, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/deviations.toml");
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut table: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(table.remove("deviations").unwrap_or_default())
}
