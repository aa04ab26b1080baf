//! A policy in the making: what is known of it so far, with its notes and its problems. Owns what is common to all originals: metadata,
//! and the last check that the result is a ScalingPolicy with nothing lost. Must not know where it came from.

use std::fmt;

use serde_json::{Map, Value, json};

use super::fields::check;
use super::{Draft, Note, Problem, text, title};
use crate::api::{GROUP, ScalingPolicy, VERSION, resolve};

/// Annotations that speak of the original and would be wrong on a policy: an entry is a whole name, or with `/` at its end a prefix.
const NOT_CARRIED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "autoscaling.alpha.kubernetes.io/",
    "autoscaling.keda.sh/",
    "scaledobject.keda.sh/",
    // Helm and Argo CD would take the policy for a part of the release or application that made the original, and remove it.
    "meta.helm.sh/",
    "argocd.argoproj.io/tracking-id",
];
/// The CamelCase word of problems that are found here.
const REASON: &str = "CannotImport";
/// Longest value that a message repeats, in characters.
const MAX_QUOTED_CHARS: usize = 64;

/// A policy in the making.
pub(super) struct Sketch {
    metadata: Map<String, Value>,
    /// `spec` of the policy.
    pub(super) spec: Map<String, Value>,
    notes: Vec<Note>,
    problems: Vec<Problem>,
}

impl Sketch {
    /// Takes over name, namespace, labels and annotations of `original`.
    pub(super) fn new(original: &Value) -> Self {
        let mut sketch = Self { metadata: Map::new(), spec: Map::new(), notes: Vec::new(), problems: Vec::new() };
        sketch.carry_metadata(original);
        let kind = text(original, "/kind");
        sketch.note(
            "",
            format!(
                "From {} ({}). While that drives the workload, Flyball holds: the policy takes over once the {kind} is \
                 deleted. To see before that what it would do, set spec.mode to DryRun.",
                title(original),
                text(original, "/apiVersion"),
            ),
        );
        sketch
    }

    fn carry_metadata(&mut self, original: &Value) {
        if text(original, "/metadata/name").is_empty() {
            self.refuse("metadata.name", "", "is missing: the policy takes its name from it");
        }
        for name in ["name", "namespace", "labels"] {
            if let Some(value) = original.pointer(&format!("/metadata/{name}")) {
                self.metadata.insert(name.into(), value.clone());
            }
        }
        let annotations = original.pointer("/metadata/annotations").and_then(Value::as_object);
        let carried = |name: &str| {
            !NOT_CARRIED.iter().any(|entry| name == *entry || (entry.ends_with('/') && name.starts_with(entry)))
        };
        for (name, value) in annotations.into_iter().flatten().filter(|(name, _)| carried(name)) {
            self.annotate(name, value.clone());
        }
    }

    /// Sets an annotation of the policy.
    pub(super) fn annotate(&mut self, name: &str, value: Value) {
        let annotations = self.metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(name.to_owned(), value);
        }
    }

    /// Tells something about a field of the policy.
    pub(super) fn note(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.notes.push(Note { field: field.into(), text: text.into() });
    }

    /// Refuses a field of the original.
    pub(super) fn refuse(&mut self, field: impl Into<String>, value: impl fmt::Display, fix: impl Into<String>) {
        self.problems.push(problem(field, value, fix));
    }

    /// The policy, or everything that keeps the original from being one.
    pub(super) fn finish(self) -> Result<Draft, Vec<Problem>> {
        let Self { metadata, spec, mut notes, mut problems } = self;
        if !problems.is_empty() {
            // What was refused left holes, which are no mistakes of the user.
            return Err(problems);
        }
        let wrong = check(&spec);
        let readable = wrong.is_empty();
        problems.extend(wrong);
        let object = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "ScalingPolicy", "metadata": metadata, "spec": spec,
        });
        if readable {
            match serde_json::from_value::<ScalingPolicy>(object.clone()) {
                Ok(policy) => {
                    let found = resolve(&policy).err().map(|invalid| invalid.problems).unwrap_or_default();
                    let (later, never): (Vec<_>, Vec<_>) = found.into_iter().partition(Problem::is_unsupported);
                    problems.extend(never);
                    notes.extend(later.into_iter().map(not_yet));
                }
                Err(error) => problems.push(problem("metadata", "", format!("cannot be read: {error}"))),
            }
        }
        if problems.is_empty() { Ok(Draft { object, notes }) } else { Err(problems) }
    }
}

/// What is carried over as it is, though this release refuses to act on it. Resolving the policy tells what that is, so a note is
/// gone with the release that supports its field.
fn not_yet(problem: Problem) -> Note {
    let Problem { field, value, fix, .. } = problem;
    let text =
        format!("{value} {fix}. Until a release supports it, Flyball refuses this policy and holds its replicas.");
    Note { field, text: text.trim_start().to_owned() }
}

/// A scalar as a sentence tells it: strings without their quotes.
pub(super) fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A mistake at `field`, with its value shortened.
pub(super) fn problem(field: impl Into<String>, value: impl fmt::Display, fix: impl Into<String>) -> Problem {
    let mut value = value.to_string();
    if let Some((end, _)) = value.char_indices().nth(MAX_QUOTED_CHARS) {
        value.truncate(end);
        value.push('…');
    }
    Problem { field: field.into(), value, fix: fix.into(), reason: REASON }
}
