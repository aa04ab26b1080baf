//! One query as a member of a shape. Owns the steps from text to shape, and the check that what is printed means what was read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use promql_parser::parser::parse;

use super::Alone;
use super::proof::distinguishing;
use super::rewrite::Fill;
use super::scan::scan;
use super::tree::Node;

/// Stands for the value of a distinguishing label in the text of a shape. It needs no escape, and no confusion can arise: a label
/// either stands for all its values in a shape or belongs to it with its value.
const OPEN: &str = "?";

/// What queries of one shape have in common: everything but the values of the labels that may tell them apart. Cheap to clone, to
/// compare and to hash.
#[derive(Clone)]
pub struct Shape(Arc<Parts>);

struct Parts {
    text: String,
    labels: Vec<String>,
    tree: Node,
    selectors: usize,
}

impl Shape {
    /// The query with `?` for each value that may differ, for people to read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The labels that may differ, sorted. At least one.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.0.labels
    }

    pub(super) fn tree(&self) -> &Node {
        &self.0.tree
    }

    /// Whether both are kept in one place in memory.
    #[cfg(test)]
    pub(crate) fn is_one_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How often each label's values are written out.
    pub(super) fn selectors(&self) -> usize {
        self.0.selectors
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.text == other.0.text && self.0.labels == other.0.labels)
    }
}

impl Eq for Shape {}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
        self.0.labels.hash(state);
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shape({})", self.0.text)
    }
}

/// A query that can share a request with others of its shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    promql: Arc<str>,
    shape: Shape,
    /// One a label of the shape.
    values: Arc<[String]>,
}

impl Template {
    /// Reads `promql`. Costs a few parses of it, so it is done once a change of the query and not once a tick.
    ///
    /// # Errors
    /// Why the query has to be asked alone; that is no fault of the query.
    pub fn of(promql: &str) -> Result<Self, Alone> {
        scan(promql)?;
        let tree = understand(promql)?;
        let found = distinguishing(&tree)?;
        let (labels, values): (Vec<String>, Vec<String>) = found.into_iter().unzip();
        // What is sent is printed from the tree: it must say the same, alone and in company.
        if understand(&tree.to_string())? != tree {
            return Err(Alone::NotUnderstood);
        }
        let company: Vec<String> = values.iter().map(|value| format!("{value}|")).collect();
        let shared = fill(&labels, &[&values, &company]).rewrite(&tree);
        if understand(&shared.to_string())? != shared {
            return Err(Alone::NotUnderstood);
        }
        let open: Vec<String> = labels.iter().map(|_| OPEN.to_owned()).collect();
        let shape = fill(&labels, &[&open]);
        let tree = Fill { kept: &[], ..shape }.rewrite(&tree);
        let mut selectors = 0;
        tree.selectors(&mut |_| selectors += 1);
        let shape = Shape(Arc::new(Parts { text: tree.to_string(), labels, tree, selectors }));
        Ok(Self { promql: promql.into(), shape, values: values.into() })
    }

    /// The same template, which keeps its shape where `known` is kept if the two are equal: who keeps many templates of one shape keeps
    /// one tree.
    #[must_use]
    pub fn sharing(self, known: &Shape) -> Self {
        let shape = if self.shape == *known { known.clone() } else { self.shape };
        Self { shape, ..self }
    }

    /// What it has in common with the queries that it may share a request with.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The query as it was written.
    #[must_use]
    pub fn promql(&self) -> &Arc<str> {
        &self.promql
    }

    /// The values of the shape's labels, in their order. None is empty.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

fn understand(promql: &str) -> Result<Node, Alone> {
    Node::read(&parse(promql).map_err(|_| Alone::NotUnderstood)?)
}

fn fill<'a>(labels: &'a [String], members: &[&'a Vec<String>]) -> Fill<'a> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for member in members {
        for (label, value) in labels.iter().zip(member.iter()) {
            values.entry(label).or_default().insert(value);
        }
    }
    Fill { values, kept: labels }
}
