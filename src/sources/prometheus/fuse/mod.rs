//! Queries that differ only in label values share a request: the query is rewritten so that it asks for all of them, and the answer is
//! split by the labels. Only where the result is provably the same as asking each alone; everything else is asked alone, with the
//! reason. Pure: knows no network, no clock, and nobody who asks.
//!
//! `scan` looks at the text, `tree` holds what can be shared, `proof` argues why, `rewrite` makes one of many, `template` joins these
//! for one query; `group` makes requests of templates, `split` makes answers of one answer. `horizon` tells what a query looks at.

mod alone;
mod group;
mod horizon;
mod proof;
mod quote;
mod rewrite;
mod scan;
mod split;
mod template;
mod tree;

pub use self::alone::Alone;
pub use self::group::{DEFAULT_EXCESS, DEFAULT_MEMBERS, DEFAULT_QUERY_BYTES, FuseLimits, fuse};
pub use self::horizon::Horizon;
pub use self::scan::{MAX_NESTING, MAX_QUERY_BYTES, MAX_WORDS, scan};
pub use self::split::{Fused, Member, Stranger};
pub use self::template::{Shape, Template};

#[cfg(test)]
mod tests;
