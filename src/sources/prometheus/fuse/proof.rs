//! Which labels may tell the members of a shared query apart. Owns the argument; changes nothing.
//!
//! Let a query carry `label="v"` in every selector. Shared, its selectors carry `label=~"v|w"`, and every list of labels is extended
//! (see `rewrite`) so that each part of the query keeps the label. The claim, by induction over the parts of [`Node`]: **the series of
//! a part of the shared query that carry `label="v"` are, apart from that label, one for one those of the same part of the query of
//! `v` alone**, with the same values.
//! - A selector: an exact value is never empty, so every series found carries the label.
//! - A function of one series at a time, a constant added, compared and so on: nothing to show. Names are exact in every selector, so
//!   dropping the name cannot make two series equal.
//! - An aggregation: its groups are divided by the label, and within `v` they are the groups of the single query.
//! - Two sides: series pair if the labels that count are equal. With the label kept on both sides, only series of the same `v` pair,
//!   and they pair if their *other* labels do. That is the same as alone only if alone both sides keep the label, or both lack it:
//!   `a{app="x"} / sum(b{app="x"})` pairs nothing alone and would pair if shared. So each side's own labels are followed here, and a
//!   label on which they differ tells nothing apart.
//! - An error (two series on one side that pair the same) is an error alone as well; then all are asked alone.

use std::collections::{BTreeMap, BTreeSet};

use super::Alone;
use super::tree::{Grouping, HISTOGRAM_QUANTILE, Node, SETS, Selector};

/// What a part yields when it is asked alone.
enum Yield {
    /// A number that is the same for all members.
    Constant,
    /// An instant vector whose series carry these of the candidates.
    Vector(BTreeSet<String>),
    /// A range vector, likewise.
    Matrix(BTreeSet<String>),
}

/// The labels that may tell members apart, with the value that `node` demands of each.
///
/// # Errors
/// There are none.
pub(super) fn distinguishing(node: &Node) -> Result<BTreeMap<String, String>, Alone> {
    let mut shared: Option<BTreeMap<&str, &str>> = None;
    node.selectors(&mut |selector| {
        let own = exact(selector);
        match &mut shared {
            None => shared = Some(own),
            Some(shared) => shared.retain(|label, value| own.get(label) == Some(value)),
        }
    });
    let shared = shared.filter(|shared| !shared.is_empty()).ok_or(Alone::NoSharedLabel)?;
    let mut candidates: BTreeSet<String> = shared.keys().map(|&label| label.to_owned()).collect();
    if !matches!(follow(node, &mut candidates)?, Yield::Vector(_)) {
        return Err(Alone::NoVector);
    }
    if candidates.is_empty() {
        return Err(Alone::UnequalSides);
    }
    let value = |label: String| shared.get(label.as_str()).map(|&value| (label, value.to_owned()));
    Ok(candidates.iter().cloned().filter_map(value).collect())
}

/// The labels that must be exactly one value, and are not the subject of another matcher too.
fn exact(selector: &Selector) -> BTreeMap<&str, &str> {
    let matchers = &selector.matchers;
    let alone = |label: &str| matchers.iter().filter(|matcher| matcher.label == label).count() == 1;
    let good = matchers.iter().filter(|matcher| {
        let Some(first) = matcher.label.chars().next() else { return false };
        let word = matcher.label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !first.is_ascii_digit();
        // The name is part of the shape, `histogram_quantile` takes `le` away, and broken text in an answer looks like U+FFFD.
        let usual = !matches!(matcher.label.as_str(), "__name__" | "le") && word;
        let value = &matcher.value;
        usual && matcher.operator == "=" && !value.is_empty() && !value.contains(char::REPLACEMENT_CHARACTER)
    });
    good.filter(|matcher| alone(&matcher.label))
        .map(|matcher| (matcher.label.as_str(), matcher.value.as_str()))
        .collect()
}

/// What `node` yields; takes out of `candidates` the labels for which the claim cannot be shown.
fn follow(node: &Node, candidates: &mut BTreeSet<String>) -> Result<Yield, Alone> {
    Ok(match node {
        Node::Number(_) => Yield::Constant,
        Node::Select(selector) if selector.range.is_some() => Yield::Matrix(candidates.clone()),
        Node::Select(_) => Yield::Vector(candidates.clone()),
        Node::Negative(inner) | Node::Paren(inner) => follow(inner, candidates)?,
        Node::Subquery { inner, .. } => match follow(inner, candidates)? {
            Yield::Vector(kept) => Yield::Matrix(kept),
            Yield::Constant | Yield::Matrix(_) => return Err(Alone::NoVector),
        },
        Node::Call { function, arguments } => follow_call(function, arguments, candidates)?,
        Node::Aggregate { grouping, parameter, inner, operation } => {
            if let Some(parameter) = parameter
                && !matches!(follow(parameter, candidates)?, Yield::Constant)
            {
                return Err(Alone::Aggregation((*operation).to_owned()));
            }
            match follow(inner, candidates)? {
                Yield::Vector(kept) => Yield::Vector(counting(kept, grouping)),
                Yield::Constant | Yield::Matrix(_) => return Err(Alone::NoVector),
            }
        }
        Node::Binary { operator, matching, left, right, .. } => {
            match (follow(left, candidates)?, follow(right, candidates)?) {
                (Yield::Constant, Yield::Constant) => Yield::Constant,
                (Yield::Vector(kept), Yield::Constant) | (Yield::Constant, Yield::Vector(kept)) => Yield::Vector(kept),
                (Yield::Vector(left), Yield::Vector(right)) => {
                    Yield::Vector(pair((operator, matching.as_ref()), left, &right, candidates))
                }
                _ => return Err(Alone::NoVector),
            }
        }
    })
}

fn follow_call(function: &'static str, arguments: &[Node], candidates: &mut BTreeSet<String>) -> Result<Yield, Alone> {
    let mut found = None;
    for argument in arguments {
        match follow(argument, candidates)? {
            Yield::Constant => {}
            Yield::Vector(kept) | Yield::Matrix(kept) if found.is_none() => found = Some(kept),
            Yield::Vector(_) | Yield::Matrix(_) => return Err(Alone::Function(function)),
        }
    }
    match found {
        Some(kept) => Ok(Yield::Vector(kept)),
        // `vector(1)` has no place in the tree; this is `time()` and the like.
        None if arguments.is_empty() && function != HISTOGRAM_QUANTILE => Ok(Yield::Constant),
        None => Err(Alone::Function(function)),
    }
}

/// Those of `kept` that a list of labels lets count.
fn counting(kept: BTreeSet<String>, grouping: &Grouping) -> BTreeSet<String> {
    kept.into_iter().filter(|label| grouping.labels.contains(label) == grouping.only).collect()
}

/// What two sides yield together; what they keep differently is no candidate any more.
fn pair(
    (operator, matching): (&str, Option<&Grouping>),
    left: BTreeSet<String>,
    right: &BTreeSet<String>,
    candidates: &mut BTreeSet<String>,
) -> BTreeSet<String> {
    let count = |kept: &BTreeSet<String>| match matching {
        Some(grouping) => counting(kept.clone(), grouping),
        None => kept.clone(),
    };
    let (left_counts, right_counts) = (count(&left), count(right));
    let mut differ: BTreeSet<String> = left_counts.symmetric_difference(&right_counts).cloned().collect();
    if operator == "or" {
        // Series of both sides come through with all their labels.
        differ.extend(left.symmetric_difference(right).cloned());
    }
    candidates.retain(|label| !differ.contains(label));
    if SETS.contains(&operator) { left } else { left_counts }
}
