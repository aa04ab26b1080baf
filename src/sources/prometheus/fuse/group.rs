//! Which queries share which request. Owns the limits of a request and its text; the order of everything here follows from the
//! templates' order and values alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::quote::{exactly, quoted};
use super::rewrite::Fill;
use super::split::{Fused, Member};
use super::template::{Shape, Template};
use super::tree::Node;

/// Longest text of a shared query. A thousand names of 30 bytes; proxies and servers take it in a POST without a thought.
pub const DEFAULT_QUERY_BYTES: usize = 32 * 1024;
/// Most members of one request, so that one that fails takes a bounded number of others back to single queries.
pub const DEFAULT_MEMBERS: usize = 500;
/// See [`FuseLimits::excess`]. At worst a server reads four times the series that single queries would read; where names are unique
/// across namespaces, as they mostly are, it reads none in excess.
pub const DEFAULT_EXCESS: usize = 4;
/// Most parts joined by `or` in one request: Prometheus looks at the series found so far once a part.
const MAX_PARTS: usize = 128;
/// What joins two parts, and the parentheses around one.
const JOIN_BYTES: usize = ") or (".len();
/// What a label adds at most to each list of labels and each matcher, beside its name and values.
const LIST_BYTES: usize = "without () , =~\"\"".len();

/// How large a shared request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuseLimits {
    /// Bytes of the query.
    pub query_bytes: usize,
    /// Members, 1 or more (0 counts as 1).
    pub members: usize,
    /// With two labels or more, a selector with their values also finds combinations that nobody asked for. It may find this many
    /// times as many combinations as were asked for (0 counts as 1); beyond it another part is added with `or`.
    pub excess: usize,
}

impl Default for FuseLimits {
    fn default() -> Self {
        Self { query_bytes: DEFAULT_QUERY_BYTES, members: DEFAULT_MEMBERS, excess: DEFAULT_EXCESS }
    }
}

/// The requests that ask all of `templates`, in a stable order. Equal ones become one member; a request for one member is its query
/// as it was written.
#[must_use]
pub fn fuse(templates: &[&Template], limits: FuseLimits) -> Vec<Fused> {
    // Looked up by hash, kept in the order of first appearance.
    let mut places: HashMap<&Shape, usize> = HashMap::new();
    let mut shapes: Vec<(&Shape, Members<'_>)> = Vec::new();
    for (index, template) in templates.iter().enumerate() {
        let place = *places.entry(template.shape()).or_insert_with(|| {
            shapes.push((template.shape(), BTreeMap::new()));
            shapes.len() - 1
        });
        if let Some((_, members)) = shapes.get_mut(place) {
            members.entry(template.values()).or_default().push(index);
        }
    }
    shapes.into_iter().flat_map(|(shape, members)| requests(shape, members, limits, templates)).collect()
}

/// The members of one shape: their values, and where their templates are.
type Members<'a> = BTreeMap<&'a [String], Vec<usize>>;
/// One of them.
type Wanted<'a> = (&'a [String], Vec<usize>);

#[allow(clippy::needless_pass_by_value)] // the members are used up
fn requests(shape: &Shape, members: Members<'_>, limits: FuseLimits, templates: &[&Template]) -> Vec<Fused> {
    let differing = differing(shape, &members.keys().copied());
    let mut wanted: Vec<Wanted<'_>> = members.into_iter().collect();
    // The label with the fewest values first, so that neighbours share it.
    wanted.sort_by_cached_key(|(values, _)| {
        differing.iter().filter_map(|(label, _)| values.get(*label)).collect::<Vec<_>>()
    });
    let mut requests = Vec::new();
    let mut open = Request::new(shape, limits);
    for member in wanted {
        if !open.takes(member.0) {
            requests.push(std::mem::replace(&mut open, Request::new(shape, limits)));
        }
        open.add(member);
    }
    requests.push(open);
    requests.into_iter().filter_map(|request| request.fused(templates)).collect()
}

/// The places of the labels of which there are several values, with how many; the fewest first.
fn differing<'a>(shape: &Shape, members: &(impl Iterator<Item = &'a [String]> + Clone)) -> Vec<(usize, usize)> {
    let count = |label: usize| members.clone().filter_map(|values| values.get(label)).collect::<BTreeSet<_>>().len();
    let mut counts: Vec<(usize, usize)> = (0..shape.labels().len()).map(|label| (label, count(label))).collect();
    counts.retain(|(_, count)| *count > 1);
    counts.sort_by_key(|(label, count)| (*count, *label));
    counts
}

/// A request that grows.
struct Request<'a> {
    shape: &'a Shape,
    limits: FuseLimits,
    members: Vec<Wanted<'a>>,
    /// The values of each label, part by part; the parts are joined by `or`.
    parts: Vec<Part<'a>>,
    bytes: usize,
}

#[derive(Clone, Default)]
struct Part<'a> {
    members: usize,
    values: Vec<BTreeSet<&'a str>>,
}

impl Part<'_> {
    /// How many combinations it would find, with `values` added.
    fn found_with(&self, values: &[String]) -> usize {
        self.values.iter().zip(values).fold(1, |found: usize, (own, new)| {
            found.saturating_mul(own.len() + usize::from(!own.contains(new.as_str())))
        })
    }
}

impl<'a> Request<'a> {
    fn new(shape: &'a Shape, limits: FuseLimits) -> Self {
        Self { shape, limits, members: Vec::new(), parts: Vec::new(), bytes: 0 }
    }

    /// Whether the last part can take `values` without finding too much that is not asked for.
    fn fits_part(&self, values: &[String]) -> bool {
        self.parts
            .last()
            .is_some_and(|part| part.found_with(values) <= (part.members + 1).saturating_mul(self.limits.excess.max(1)))
    }

    /// Bytes that `values` add at most.
    fn cost(&self, values: &[String]) -> usize {
        let own: usize = values.iter().map(|value| quoted(&exactly(value)).len() + 1).sum();
        let base = if self.fits_part(values) { 0 } else { part_bytes(self.shape) };
        base + own * self.shape.selectors()
    }

    fn takes(&self, values: &[String]) -> bool {
        let parts = self.fits_part(values) || self.parts.len() < MAX_PARTS;
        let members = self.members.len() < self.limits.members.max(1);
        self.members.is_empty() || parts && members && self.bytes + self.cost(values) <= self.limits.query_bytes
    }

    fn add(&mut self, member: Wanted<'a>) {
        self.bytes += self.cost(member.0);
        if !self.fits_part(member.0) {
            self.parts.push(Part { members: 0, values: vec![BTreeSet::new(); self.shape.labels().len()] });
        }
        if let Some(part) = self.parts.last_mut() {
            part.members += 1;
            for (own, new) in part.values.iter_mut().zip(member.0) {
                own.insert(new);
            }
        }
        self.members.push(member);
    }

    fn fused(self, templates: &[&Template]) -> Option<Fused> {
        let (first, others) = self.members.split_first()?;
        if others.is_empty() {
            let template = templates.get(*first.1.first()?)?;
            let members = vec![Member { values: Vec::new(), templates: first.1.clone() }];
            return Some(Fused { promql: Arc::clone(template.promql()), labels: Vec::new(), members });
        }
        let mut kept: Vec<usize> = differing(self.shape, &self.members.iter().map(|(values, _)| *values))
            .into_iter()
            .map(|(label, _)| label)
            .collect();
        kept.sort_unstable();
        let all = self.shape.labels();
        let labels: Vec<String> = kept.iter().filter_map(|label| all.get(*label).cloned()).collect();
        let texts: Vec<String> = self.parts.iter().map(|part| part.text(self.shape, &labels)).collect();
        let promql = match texts.as_slice() {
            [only] => only.as_str().into(),
            _ => format!("({})", texts.join(") or (")).into(),
        };
        let of = |values: &[String]| kept.iter().filter_map(|label| values.get(*label).cloned()).collect();
        let mut members: Vec<Member> = self
            .members
            .iter()
            .map(|(values, templates)| Member { values: of(values), templates: templates.clone() })
            .collect();
        members.sort_by(|a, b| a.values.cmp(&b.values));
        Some(Fused { promql, labels, members })
    }
}

impl Part<'_> {
    fn text(&self, shape: &Shape, kept: &[String]) -> String {
        let labels = shape.labels().iter().map(String::as_str);
        let fill = Fill { values: labels.zip(self.values.iter().cloned()).collect(), kept };
        fill.rewrite(shape.tree()).to_string()
    }
}

/// Bytes of a part without values, at most.
fn part_bytes(shape: &Shape) -> usize {
    let lists = shape.selectors() + lists(shape.tree());
    let labels: usize = shape.labels().iter().map(|label| label.len() + LIST_BYTES).sum();
    shape.as_str().len() + JOIN_BYTES + labels * lists
}

/// How many lists of labels a query holds or gets.
fn lists(node: &Node) -> usize {
    match node {
        Node::Select(_) | Node::Number(_) => 0,
        Node::Subquery { inner, .. } | Node::Negative(inner) | Node::Paren(inner) => lists(inner),
        Node::Call { arguments, .. } => arguments.iter().map(lists).sum(),
        Node::Aggregate { inner, .. } => 1 + lists(inner),
        Node::Binary { left, right, .. } => 1 + lists(left) + lists(right),
    }
}
