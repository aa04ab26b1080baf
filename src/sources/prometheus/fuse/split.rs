//! One answer for many becomes an answer for each. Owns which series is whose; judges no values.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::super::decode::{Answer, LabelledAnswer, SeriesLabels};

/// One request for many queries of one shape, or for one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fused {
    /// What is sent.
    pub promql: Arc<str>,
    pub(super) labels: Vec<String>,
    /// Sorted by their values.
    pub(super) members: Vec<Member>,
}

/// One of the queries that share a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub(super) values: Vec<String>,
    pub(super) templates: Vec<usize>,
}

impl Member {
    /// The values of the request's labels that are this member's. None is empty.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Its templates, by their place in the list that was fused: one, or several that ask the same. Never empty.
    #[must_use]
    pub fn templates(&self) -> &[usize] {
        &self.templates
    }
}

/// The answer holds a series that the request cannot have found. Whatever answered does not do with labels what Prometheus does, so
/// no part of the answer can be trusted: ask each member alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The answer to a shared request holds a series of none of its members.")]
pub struct Stranger;

impl Stranger {
    /// The CamelCase word for logs and metric labels.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        "StrangeSeries"
    }
}

impl Fused {
    /// The labels to decode of each series. Empty for a request of one member.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The queries that this request asks. Never empty.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whose the series with these values of [`labels`](Self::labels) is, as a place in [`members`](Self::members); `None` for a
    /// combination of wanted values that nobody asked for, which can be found where members differ in several labels.
    ///
    /// # Errors
    /// [`Stranger`].
    pub fn member_of(&self, labels: SeriesLabels<'_, '_>) -> Result<Option<usize>, Stranger> {
        if self.labels.is_empty() {
            return Ok(Some(0));
        }
        if labels.len() != self.labels.len() {
            return Err(Stranger);
        }
        match self.members.binary_search_by(|member| compare(&member.values, labels)) {
            Ok(place) => Ok(Some(place)),
            Err(_) if labels.len() > 1 && self.could_be_found(labels) => Ok(None),
            Err(_) => Err(Stranger),
        }
    }

    /// The answer of each member, in the order of [`members`](Self::members): its series, in their order, and what the server
    /// remarked on all of them. A member without series has an empty answer, as it would alone.
    ///
    /// # Errors
    /// [`Stranger`].
    #[allow(clippy::needless_pass_by_value)] // an answer is split once
    pub fn split(&self, answer: LabelledAnswer<'_>) -> Result<Vec<Answer>, Stranger> {
        let LabelledAnswer { answer: Answer { warnings, infos, declared_partial, .. }, .. } = &answer;
        let empty = Answer {
            points: Vec::new(),
            warnings: warnings.clone(),
            infos: infos.clone(),
            declared_partial: *declared_partial,
        };
        let mut answers = vec![empty; self.members.len()];
        for (labels, point) in answer.series() {
            if let Some(own) = self.member_of(labels)?.and_then(|place| answers.get_mut(place)) {
                own.points.push(point);
            }
        }
        Ok(answers)
    }

    /// Whether each value is wanted by some member.
    fn could_be_found(&self, labels: SeriesLabels<'_, '_>) -> bool {
        labels.iter().enumerate().all(|(label, value)| {
            let wanted = |member: &Member| member.values.get(label).map(String::as_str) == value.as_deref();
            value.is_some() && self.members.iter().any(wanted)
        })
    }
}

/// The order of a member's values and a series' labels, which are as many.
fn compare(values: &[String], labels: &[Option<Cow<'_, str>>]) -> Ordering {
    let labels = labels.iter().map(|label| label.as_deref().unwrap_or_default());
    values.iter().map(String::as_str).cmp(labels)
}
