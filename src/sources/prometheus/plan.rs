//! Which questions of one tick become which requests. The seam to `fuse`, which knows PromQL; asks nobody.

use std::sync::Arc;

use bytes::Bytes;

use super::decode::{Answer, DecodeError};

/// Takes the answer of a request apart: one answer per member, in their order.
pub(super) type Split = Box<dyn Fn(&Bytes, usize) -> Result<Vec<Answer>, DecodeError> + Send + Sync>;

/// Two or more queries that one request answers.
pub(super) struct Joint {
    /// What is asked.
    pub(super) promql: Arc<str>,
    /// Which of the queries it answers: indices, each in one joint at most.
    pub(super) members: Vec<usize>,
    /// Takes the answer apart; its second argument is how many series the whole may hold.
    pub(super) split: Split,
}

/// Knows which queries may be asked together.
pub(super) trait Planner: Send + Sync + 'static {
    /// Groups of `queries`, all different, of at most `most` members each. What is in no group is asked alone.
    fn join(&self, queries: &[&Arc<str>], most: usize) -> Vec<Joint>;
}

/// Asks every query alone.
pub(super) struct Alone;

impl Planner for Alone {
    fn join(&self, _queries: &[&Arc<str>], _most: usize) -> Vec<Joint> {
        Vec::new()
    }
}
