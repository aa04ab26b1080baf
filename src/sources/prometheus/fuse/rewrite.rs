//! A query for many from the query for one: selectors take several values, and every list of labels keeps apart what tells the members
//! apart. Why the result is the same is argued in `proof`; why the text means it, in `template`.

use std::collections::{BTreeMap, BTreeSet};

use super::quote::one_of;
use super::tree::{Grouping, Node, Selector};

/// What the distinguishing labels are to be.
pub(super) struct Fill<'a> {
    /// The values that each label may have. Exactly one is demanded with `=`.
    pub(super) values: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The labels that every part must keep.
    pub(super) kept: &'a [String],
}

impl Fill<'_> {
    /// `node` for these values.
    pub(super) fn rewrite(&self, node: &Node) -> Node {
        let boxed = |node: &Node| Box::new(self.rewrite(node));
        match node {
            Node::Select(selector) => Node::Select(self.select(selector)),
            Node::Number(number) => Node::Number(*number),
            Node::Negative(inner) => Node::Negative(boxed(inner)),
            Node::Paren(inner) => Node::Paren(boxed(inner)),
            Node::Subquery { inner, range, step, time } => {
                Node::Subquery { inner: boxed(inner), range: *range, step: *step, time: time.clone() }
            }
            Node::Call { function, arguments } => {
                Node::Call { function, arguments: arguments.iter().map(|argument| self.rewrite(argument)).collect() }
            }
            Node::Aggregate { operation, grouping, parameter, inner } => Node::Aggregate {
                operation,
                grouping: self.keep(grouping),
                parameter: parameter.as_deref().map(boxed),
                inner: boxed(inner),
            },
            Node::Binary { operator, bool, matching, left, right } => Node::Binary {
                operator,
                bool: *bool,
                matching: matching.as_ref().map(|matching| self.keep(matching)),
                left: boxed(left),
                right: boxed(right),
            },
        }
    }

    fn select(&self, selector: &Selector) -> Selector {
        let mut selector = selector.clone();
        for matcher in &mut selector.matchers {
            let Some(values) = self.values.get(matcher.label.as_str()) else { continue };
            if let (1, Some(value)) = (values.len(), values.first()) {
                matcher.value = (*value).to_owned();
            } else {
                matcher.operator = "=~";
                matcher.value = one_of(values.iter().copied());
            }
        }
        selector
    }

    fn keep(&self, Grouping { only, labels }: &Grouping) -> Grouping {
        let mut labels = labels.clone();
        if *only {
            let missing = self.kept.iter().filter(|label| !labels.contains(label)).cloned().collect::<Vec<_>>();
            labels.extend(missing);
        } else {
            labels.retain(|label| !self.kept.contains(label));
        }
        Grouping { only: *only, labels }
    }
}
