//! The house stays as it was drawn: who may import whom, what the engine must never know, and how long a file may be.
//!
//! Reads `src/` as text; what is compiled for tests only is exempt.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "layering/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{Named, Source};

/// Every module of the crate with those that it may name. `engine <- api <- {sources, cluster} <- controller <- cli`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("clock", &["engine"]),
    ("api", &["engine"]),
    ("sources", &["engine", "api", "clock"]),
    ("cluster", &["engine", "api", "clock"]),
    ("telemetry", &["engine", "api", "sources"]),
    ("view", &["engine", "api"]),
    ("import", &["api"]),
    ("check", &["engine", "api", "sources"]),
    ("sandbox", &["engine", "api", "sources", "clock"]),
    ("controller", &["engine", "api", "clock", "sources", "cluster", "telemetry"]),
    (
        "cli",
        &[
            "engine",
            "api",
            "clock",
            "sources",
            "cluster",
            "telemetry",
            "view",
            "import",
            "check",
            "sandbox",
            "controller",
        ],
    ),
    ("main", &["cli"]),
];

/// What a module must not name, and why. An entry is a path's beginning, or with `*::` in front any name in a path.
const MUST_NOT_NAME: &[(&str, &[&str], &str)] = &[
    (
        "engine",
        &[
            "tokio",
            "futures",
            "kube",
            "k8s_openapi",
            "reqwest",
            "axum",
            "tower",
            "http",
            "tracing",
            "rand",
            "rand_pcg",
            "std::time",
            "core::time",
            "std::fs",
            "std::net",
            "std::env",
            "std::io",
            "std::process",
            "std::thread",
            "*::HashMap",
            "*::HashSet",
            "*::Instant",
            "*::SystemTime",
            "*::println",
            "*::print",
            "*::eprintln",
            "*::eprint",
            "*::dbg",
            "*::async",
            "*::await",
        ],
        "the engine is pure: time and data come in as values, and nothing may depend on the order of a hash",
    ),
    ("api", &["tokio", "reqwest", "axum", "std::fs", "std::net", "std::env"], "wire types and their rules do no IO"),
    (
        "import",
        &["tokio", "kube", "reqwest", "axum", "std::fs", "std::net", "std::env", "std::io"],
        "a translation does no IO",
    ),
    (
        "check",
        &["tokio", "kube", "reqwest", "axum", "std::fs", "std::net", "std::env", "std::io"],
        "what is checked is read, and nobody is asked",
    ),
    ("view", &["kube", "k8s_openapi", "reqwest"], "what people look at renders a trace and asks nobody"),
];

/// The longest file. A longer one has two subjects.
const MAX_FILE_LINES: usize = 400;
/// Files that may be longer. Keep it empty: split the file instead.
const LONGER_FILES: &[&str] = &[];

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let module = file.module();
        let Some(allowed) = allowed_imports(&module) else {
            wrong.push(format!(
                "{}: the module `{module}` is not in MAY_IMPORT of tests/layering.rs; say what it may import",
                file.name
            ));
            continue;
        };
        for (line, imported) in file.imports() {
            let known = MAY_IMPORT.iter().any(|(name, _)| *name == imported);
            if known && imported != module && !allowed.contains(&imported.as_str()) {
                let name = &file.name;
                wrong.push(format!("{name}:{line}: `{module}` names `{imported}`, and may name only {allowed:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the direction of the house:\n{}", wrong.join("\n"));
}

#[test]
fn pure_modules_stay_pure() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        for (module, banned, why) in MUST_NOT_NAME.iter().filter(|(module, ..)| *module == file.module()) {
            for Named { line, segments } in file.source.paths() {
                if let Some(entry) = banned.iter().find(|entry| names(&segments, entry)) {
                    let (name, path) = (&file.name, segments.join("::"));
                    wrong.push(format!("{name}:{line}: `{module}` names `{path}` (banned: {entry}): {why}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "what these modules must not know:\n{}", wrong.join("\n"));
}

#[test]
fn files_have_one_subject() {
    let too_long = |file: &RustFile| {
        let lines = file.source.lines;
        let long = lines > MAX_FILE_LINES && !LONGER_FILES.contains(&file.name.as_str());
        long.then(|| {
            format!("{}:{lines}: {lines} lines without tests, at most {MAX_FILE_LINES}: split it by subject", file.name)
        })
    };
    let wrong: Vec<_> = rust_files().iter().filter_map(too_long).collect();
    assert!(wrong.is_empty(), "files too long to have one subject:\n{}", wrong.join("\n"));
}

/// A file of `src/` that is compiled into the program.
struct RustFile {
    /// From the repository's root, with `/`.
    name: String,
    source: Source,
}

impl RustFile {
    /// `engine` for `src/engine/policy.rs`, `clock` for `src/clock.rs`.
    fn module(&self) -> String {
        self.module_path().first().cloned().unwrap_or_default()
    }

    /// `[engine, policy]` for `src/engine/policy.rs`, `[engine]` for `src/engine/mod.rs`.
    fn module_path(&self) -> Vec<String> {
        let inside = self.name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        inside.split('/').map(str::to_owned).collect()
    }

    /// The modules of this crate that it names, with their lines: behind `crate::`, `flyball::`, or enough `super::`.
    fn imports(&self) -> Vec<(usize, String)> {
        let depth = self.module_path().len();
        let imported = |Named { line, segments }: Named| {
            let supers = segments.iter().take_while(|segment| *segment == "super").count();
            let behind = match segments[0].as_str() {
                "crate" | "flyball" => 1,
                _ if supers >= depth => supers,
                _ => return None,
            };
            segments.get(behind).map(|module| (line, module.clone()))
        };
        self.source.paths().into_iter().filter_map(imported).collect()
    }
}

fn allowed_imports(module: &str) -> Option<&'static [&'static str]> {
    MAY_IMPORT.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

/// Whether a path is what `entry` bans.
fn names(segments: &[String], entry: &str) -> bool {
    let mut parts = entry.split("::");
    if let Some(name) = entry.strip_prefix("*::") {
        return segments.iter().any(|segment| segment == name);
    }
    segments.len() >= parts.clone().count()
        && segments.iter().all(|segment| parts.next().is_none_or(|part| part == segment))
}

/// Everything under `src/` but the crate's own root, which names every module, and files of tests.
fn rust_files() -> Vec<RustFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 5, "only {} files found under src/: is the test looking in the right place?", files.len());
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let source = Source::new(&fs::read_to_string(&path).unwrap());
        RustFile { name, source }
    };
    files.into_iter().map(read).filter(|file| file.name != "src/lib.rs").collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem == "tests" || stem.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn written(text: &str) -> Vec<String> {
    let path = |Named { line, segments }: Named| format!("{line} {}", segments.join("::"));
    Source::new(text).paths().into_iter().map(path).collect()
}

#[test]
fn the_reader_expands_groups() {
    let text = "use std::{fs, time::{Duration, Instant}};\nuse crate::{\n    api,\n    engine::Policy,\n};";
    let expected = [
        "1 use",
        "1 std::fs",
        "1 std::time::Duration",
        "1 std::time::Instant",
        "2 use",
        "3 crate::api",
        "4 crate::engine::Policy",
    ];
    assert_eq!(written(text), expected);
}

#[test]
fn the_reader_skips_comments_literals_and_tests() {
    let cases = [
        ("// std::fs\n/* std::net /* nested */ kube */ a", vec!["2 a"]),
        ("\"tokio \\\" kube\" r#\"kube \" kube\"# b", vec!["1 b"]),
        ("'k' '\\'' &'static c", vec!["1 static", "1 c"]),
        ("#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { {} }\n}\nd", vec!["6 d"]),
        ("#[cfg(test)]\nmod tests;\ne", vec!["3 e"]),
        ("f::<g::h>()", vec!["1 f", "1 g::h"]),
    ];
    for (text, expected) in cases {
        assert_eq!(written(text), expected, "in {text:?}");
    }
}

#[test]
fn lines_of_tests_do_not_count() {
    assert_eq!(Source::new("a\nb\n#[cfg(test)]\nmod tests {\n    c\n}\n").lines, 3);
}

#[test]
fn bans_are_prefixes_or_names() {
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    let cases = [
        ("std::time::Duration", "std::time", true),
        ("std::time", "std::time", true),
        ("std", "std::time", false),
        ("std::timeout", "std::time", false),
        ("tokio::spawn", "tokio", true),
        ("std::collections::HashMap", "*::HashMap", true),
        ("HashMap", "*::HashMap", true),
        ("std::collections::BTreeMap", "*::HashMap", false),
    ];
    for (segments, entry, expected) in cases {
        assert_eq!(names(&path(segments), entry), expected, "{segments} against {entry}");
    }
}
