//! How far back a query looks, and which samples lie under it. Owns the questions that tell how old those are; asks nobody, and judges
//! no answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use promql_parser::parser::{Expr, Offset, VectorSelector, parse};

use super::Alone;
use super::scan::scan;
use super::tree::Selector;

/// What a query looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Horizon {
    /// From the evaluation back to the oldest sample that can count: ranges, subqueries and offsets together. Zero for a query of
    /// present values alone.
    pub looks_back: Duration,
    /// One query a selector, sorted: when its newest sample was taken, in seconds since the epoch. Offsets are left out, since what is
    /// asked for is whether samples still come. `None` where the selectors are not understood.
    pub newest_sample_queries: Option<Vec<Arc<str>>>,
}

impl Horizon {
    /// Reads `promql`. Costs a parse.
    ///
    /// # Errors
    /// The query is too large to be looked into, or not understood; Prometheus may still answer it.
    pub fn of(promql: &str) -> Result<Self, Alone> {
        scan(promql)?;
        let expression = parse(promql).map_err(|_| Alone::NotUnderstood)?;
        let mut queries = Some(BTreeSet::new());
        let looks_back = look(&expression, &mut queries);
        Ok(Self { looks_back, newest_sample_queries: queries.map(|queries| queries.into_iter().collect()) })
    }
}

/// How far back `expression` looks; gathers the queries of its selectors on the way.
fn look(expression: &Expr, queries: &mut Option<BTreeSet<Arc<str>>>) -> Duration {
    let mut furthest = |inner: &[&Expr]| inner.iter().map(|inner| look(inner, queries)).max().unwrap_or_default();
    match expression {
        Expr::Aggregate(aggregate) => {
            let parameter = aggregate.param.as_deref();
            furthest(&[Some(&*aggregate.expr), parameter].into_iter().flatten().collect::<Vec<_>>())
        }
        Expr::Unary(unary) => furthest(&[&unary.expr]),
        Expr::Binary(binary) => furthest(&[&binary.lhs, &binary.rhs]),
        Expr::Paren(paren) => furthest(&[&paren.expr]),
        Expr::Call(call) => furthest(&call.args.args.iter().map(|argument| &**argument).collect::<Vec<_>>()),
        Expr::Subquery(subquery) => {
            furthest(&[&subquery.expr]).saturating_add(subquery.range).saturating_add(back(subquery.offset.as_ref()))
        }
        Expr::VectorSelector(selector) => {
            gather(selector, queries);
            back(selector.offset.as_ref())
        }
        Expr::MatrixSelector(matrix) => {
            gather(&matrix.vs, queries);
            matrix.range.saturating_add(back(matrix.vs.offset.as_ref()))
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Duration::ZERO,
    }
}

fn gather(selector: &VectorSelector, queries: &mut Option<BTreeSet<Arc<str>>>) {
    let now = VectorSelector { offset: None, at: None, ..selector.clone() };
    match Selector::read(&now, None) {
        Ok(selector) => {
            if let Some(queries) = queries {
                queries.insert(format!("max(timestamp({selector}))").into());
            }
        }
        Err(_) => *queries = None,
    }
}

fn back(offset: Option<&Offset>) -> Duration {
    match offset {
        Some(Offset::Pos(back)) => *back,
        Some(Offset::Neg(_)) | None => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back_and_at_what() {
        let newest = |selector: &str| format!("max(timestamp({selector}))");
        for (promql, seconds, selectors) in [
            ("sum(up)", 0, vec!["up"]),
            ("sum(rate(a{app=\"x\"}[2m]))", 120, vec!["a{app=\"x\"}"]),
            ("sum(rate(a[2m])) / sum(rate(b[5m] offset 10m))", 900, vec!["a", "b"]),
            ("max_over_time(sum(rate(a[2m]))[1h:1m])", 3720, vec!["a"]),
            ("sum(rate(a[2m])) or vector(0)", 120, vec!["a"]),
            ("a - a offset 1d", 86_400, vec!["a"]),
            ("1", 0, vec![]),
        ] {
            let horizon = Horizon::of(promql).unwrap();
            let expected: Vec<Arc<str>> = selectors.into_iter().map(|selector| newest(selector).into()).collect();
            assert_eq!(horizon.looks_back, Duration::from_secs(seconds), "{promql}");
            assert_eq!(horizon.newest_sample_queries, Some(expected), "{promql}");
        }
        let open = Horizon::of("sum({app=\"x\"})").unwrap();
        assert_eq!(open.newest_sample_queries, None, "a selector without a name may match anything");
        assert_eq!(Horizon::of("sum(").unwrap_err(), Alone::NotUnderstood);
    }
}
