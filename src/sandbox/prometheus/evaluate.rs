//! The value of an expression at an instant, by the rules of Prometheus (lookback, extrapolation of rates). Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::expression::{Aggregation, Expression, Growth, Selector};
use super::series::{Labels, Sample, Series};

/// How old the newest sample of a series may be; Prometheus' default.
const LOOKBACK_MILLIS: i64 = 5 * 60 * 1000;

/// What a query yields.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// One number.
    Scalar(f64),
    /// Numbers by labels.
    Vector(BTreeMap<Labels, f64>),
}

/// The value of `expression` at `at`.
///
/// # Errors
/// A sentence where the parts do not fit together.
pub(super) fn evaluate(expression: &Expression, series: &Series, at: i64) -> Result<Outcome, String> {
    match expression {
        Expression::Number(number) => Ok(Outcome::Scalar(*number)),
        Expression::Selector(selector) => {
            let found = matching(series, selector);
            let value = |(labels, all): (&Labels, _)| Some((labels.clone(), newest(all, at)?.1));
            Ok(Outcome::Vector(found.filter_map(value).collect()))
        }
        #[allow(clippy::cast_precision_loss)] // milliseconds of this era are exact
        Expression::Taken(selector) => {
            let found = matching(series, selector);
            let taken = |(labels, all): (&Labels, _)| Some((nameless(labels), newest(all, at)?.0 as f64 / 1000.0));
            Ok(Outcome::Vector(found.filter_map(taken).collect()))
        }
        Expression::Growth { growth: measure, selector, window_millis } => {
            let found = matching(series, selector);
            let window = (at.saturating_sub(*window_millis), at);
            let grown = found.filter_map(|(labels, all)| Some((nameless(labels), growth(all, window, *measure)?)));
            Ok(Outcome::Vector(grown.collect()))
        }
        Expression::Aggregate { operation, by, inner } => match evaluate(inner, series, at)? {
            Outcome::Scalar(_) => {
                Err("invalid parameter \"query\": expected type instant vector in aggregation expression, got scalar"
                    .to_owned())
            }
            Outcome::Vector(vector) => Ok(Outcome::Vector(aggregate(*operation, by, vector))),
        },
        Expression::Vector(inner) => match evaluate(inner, series, at)? {
            Outcome::Scalar(number) => Ok(Outcome::Vector([(Labels::new(), number)].into())),
            Outcome::Vector(_) => Err(
                "invalid parameter \"query\": expected type scalar in call to function \"vector\", got instant vector"
                    .to_owned(),
            ),
        },
        Expression::Or { left, right } => {
            match (evaluate(left, series, at)?, evaluate(right, series, at)?) {
                (Outcome::Vector(mut left), Outcome::Vector(right)) => {
                    let known: BTreeSet<Labels> = left.keys().map(nameless).collect();
                    left.extend(right.into_iter().filter(|(labels, _)| !known.contains(&nameless(labels))));
                    Ok(Outcome::Vector(left))
                }
                _ => Err("invalid parameter \"query\": set operator \"or\" not allowed in binary scalar expression"
                    .to_owned()),
            }
        }
        Expression::Binary { operator, left, right } => {
            Ok(arithmetic(*operator, evaluate(left, series, at)?, evaluate(right, series, at)?))
        }
    }
}

/// The newest sample that still counts.
fn newest(samples: &VecDeque<Sample>, at: i64) -> Option<Sample> {
    let last = *samples.get(samples.partition_point(|sample| sample.0 <= at).checked_sub(1)?)?;
    (last.0 > at.saturating_sub(LOOKBACK_MILLIS)).then_some(last)
}

fn matching<'a>(
    series: &'a Series,
    selector: &'a Selector,
) -> impl Iterator<Item = (&'a Labels, &'a VecDeque<Sample>)> {
    series.named(&selector.name).filter(|(labels, _)| {
        let value = |label: &str| labels.get(label).map_or("", String::as_str);
        selector.matchers.iter().all(|matcher| matcher.matches(value(&matcher.label)))
    })
}

fn nameless(labels: &Labels) -> Labels {
    labels
        .iter()
        .filter(|(label, _)| *label != "__name__")
        .map(|(label, value)| (label.clone(), value.clone()))
        .collect()
}

#[allow(clippy::cast_precision_loss)] // milliseconds of a window and counts of samples are small
fn growth(samples: &VecDeque<Sample>, (start, end): (i64, i64), measure: Growth) -> Option<f64> {
    let until = |instant: i64| samples.partition_point(|sample| sample.0 <= instant);
    let inside: Vec<Sample> = samples.range(until(start)..until(end).max(until(start))).copied().collect();
    let [first, .., last] = inside[..] else { return None };
    if measure == Growth::Latest {
        let [.., before, _] = inside[..] else { return None };
        let grown = if last.1 < before.1 { last.1 } else { last.1 - before.1 };
        return Some(grown / ((last.0 - before.0) as f64 / 1000.0));
    }
    let resets: f64 = inside.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum();
    let grown = last.1 - first.1 + resets;
    let sampled = (last.0 - first.0) as f64 / 1000.0;
    let average_gap = sampled / (inside.len() - 1) as f64;
    let threshold = average_gap * 1.1;
    let mut to_start = (first.0 - start) as f64 / 1000.0;
    let mut to_end = (end - last.0) as f64 / 1000.0;
    // A counter cannot have been below zero, so it cannot reach further back than to its zero. Prometheus 3 applies this bound
    // after the next one; the order here is that of 2.42, which `golden.tsv` pins, and matters only for counters near their zero.
    if grown > 0.0 && first.1 >= 0.0 {
        to_start = to_start.min(sampled * (first.1 / grown));
    }
    if to_start >= threshold {
        to_start = average_gap / 2.0;
    }
    if to_end >= threshold {
        to_end = average_gap / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if measure == Growth::Rate {
        factor /= (end - start) as f64 / 1000.0;
    }
    Some(grown * factor)
}

#[allow(clippy::cast_precision_loss)] // counts of series are small
fn aggregate(operation: Aggregation, by: &[String], vector: BTreeMap<Labels, f64>) -> BTreeMap<Labels, f64> {
    let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    for (labels, value) in vector {
        let group = by.iter().filter_map(|label| Some((label.clone(), labels.get(label)?.clone()))).collect();
        groups.entry(group).or_default().push(value);
    }
    let combine = |values: Vec<f64>| match operation {
        Aggregation::Sum => values.iter().sum(),
        Aggregation::Avg => values.iter().sum::<f64>() / values.len() as f64,
        Aggregation::Max => values.into_iter().fold(f64::NAN, f64::max),
        Aggregation::Min => values.into_iter().fold(f64::NAN, f64::min),
        Aggregation::Count => values.len() as f64,
    };
    groups.into_iter().map(|(labels, values)| (labels, combine(values))).collect()
}

fn arithmetic(operator: char, left: Outcome, right: Outcome) -> Outcome {
    let compute = |left: f64, right: f64| match operator {
        '+' => left + right,
        '-' => left - right,
        '*' => left * right,
        _ => left / right,
    };
    match (left, right) {
        (Outcome::Scalar(left), Outcome::Scalar(right)) => Outcome::Scalar(compute(left, right)),
        (Outcome::Vector(left), Outcome::Scalar(right)) => {
            Outcome::Vector(left.iter().map(|(labels, left)| (nameless(labels), compute(*left, right))).collect())
        }
        (Outcome::Scalar(left), Outcome::Vector(right)) => {
            Outcome::Vector(right.iter().map(|(labels, right)| (nameless(labels), compute(left, *right))).collect())
        }
        (Outcome::Vector(left), Outcome::Vector(right)) => {
            let right: BTreeMap<Labels, f64> = right.iter().map(|(labels, value)| (nameless(labels), *value)).collect();
            let pairs = left.iter().filter_map(|(labels, left)| {
                let labels = nameless(labels);
                let right = right.get(&labels)?;
                Some((labels, compute(*left, *right)))
            });
            Outcome::Vector(pairs.collect())
        }
    }
}
