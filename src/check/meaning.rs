//! What the value of a query is, as far as its form and its names tell: one series or many, a total or an average, seconds or bytes.
//! Owns these guesses; says nothing to anybody. Where nothing can be told, it is unknown, and nobody complains.

use promql_parser::label::MatchOp;
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{BinaryExpr, Expr, LabelModifier, VectorMatchCardinality, VectorSelector};

/// What kind of number a query yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It grows with the work of the whole workload: a sum, a rate.
    Total,
    /// It stays in its range however many replicas there are: an average, a quantile.
    Average,
    /// One total by another.
    Ratio,
    /// Cannot be told.
    Unknown,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Time.
    Seconds,
    /// Memory or traffic.
    Bytes,
    /// Cannot be told, or nothing.
    Unknown,
}

/// The metric that a selector names.
pub(super) fn metric(selector: &VectorSelector) -> Option<&str> {
    let by_label = || {
        let named =
            |matcher: &&promql_parser::label::Matcher| matcher.name == "__name__" && matcher.op == MatchOp::Equal;
        selector.matchers.matchers.iter().find(named).map(|matcher| matcher.value.as_str())
    };
    selector.name.as_deref().or_else(by_label)
}

/// Calls `visit` with the metric of each selector.
pub(super) fn metrics<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a str)) {
    match expr {
        Expr::VectorSelector(selector) => metric(selector).into_iter().for_each(visit),
        Expr::MatrixSelector(selector) => metric(&selector.vs).into_iter().for_each(visit),
        other => children(other).into_iter().for_each(|child| metrics(child, visit)),
    }
}

/// The parts of an expression, in the order of the text.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => aggregate.param.iter().chain([&aggregate.expr]).map(AsRef::as_ref).collect(),
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(AsRef::as_ref).collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => Vec::new(),
    }
}

/// `expr` without parentheses around it.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => bare(&paren.expr),
        other => other,
    }
}

/// Whether the answer may hold several series.
pub(super) fn may_be_many(expr: &Expr) -> bool {
    match expr {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => false,
        Expr::VectorSelector(_) | Expr::MatrixSelector(_) | Expr::Extension(_) => true,
        Expr::Call(call) => match call.func.name {
            "scalar" | "vector" | "absent" | "absent_over_time" => false,
            "histogram_quantile" => call.args.args.iter().skip(1).any(|buckets| !only_by_le(buckets)),
            _ => children(expr).into_iter().any(may_be_many),
        },
        Expr::Aggregate(aggregate) => match aggregate.op.to_string().as_str() {
            "topk" | "bottomk" | "limitk" | "limit_ratio" | "count_values" => true,
            _ => match &aggregate.modifier {
                None => false,
                Some(LabelModifier::Include(labels)) => !labels.labels.is_empty(),
                Some(LabelModifier::Exclude(_)) => may_be_many(&aggregate.expr),
            },
        },
        Expr::Binary(binary) => pair_may_be_many(binary),
        Expr::Unary(_) | Expr::Paren(_) | Expr::Subquery(_) => children(expr).into_iter().any(may_be_many),
    }
}

fn pair_may_be_many(binary: &BinaryExpr) -> bool {
    let (left, right) = (may_be_many(&binary.lhs), may_be_many(&binary.rhs));
    match (binary.op.to_string().as_str(), binary.modifier.as_ref().map(|modifier| &modifier.card)) {
        ("or", _) => left || right,
        ("and" | "unless", _) | (_, Some(VectorMatchCardinality::ManyToOne(_))) => left,
        (_, Some(VectorMatchCardinality::OneToMany(_))) => right,
        _ if binary.lhs.value_type() == ValueType::Scalar => right,
        _ if binary.rhs.value_type() == ValueType::Scalar => left,
        // Paired one to one: no more than the smaller side.
        _ => left && right,
    }
}

/// Whether buckets are added up over everything but their bound, which makes one quantile of them.
fn only_by_le(buckets: &Expr) -> bool {
    match bare(buckets) {
        Expr::Aggregate(aggregate) => match &aggregate.modifier {
            None => true,
            Some(LabelModifier::Include(labels)) => labels.labels.iter().all(|label| label == "le"),
            Some(LabelModifier::Exclude(_)) => false,
        },
        buckets => !may_be_many(buckets),
    }
}

/// `expr` without what changes neither kind nor unit: parentheses, filters, bounds, roundings.
pub(super) fn heart(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => heart(&paren.expr),
        Expr::Unary(unary) => heart(&unary.expr),
        Expr::Call(call)
            if matches!(
                call.func.name,
                "clamp" | "clamp_min" | "clamp_max" | "round" | "ceil" | "floor" | "abs" | "scalar"
            ) =>
        {
            call.args.args.first().map_or(expr, |first| heart(first))
        }
        Expr::Binary(binary) => {
            let filters =
                ["and", "or", "unless", ">", ">=", "<", "<=", "==", "!="].contains(&binary.op.to_string().as_str());
            let bool = binary.modifier.as_ref().is_some_and(|modifier| modifier.return_bool);
            if filters && !bool && binary.lhs.value_type() == ValueType::Vector { heart(&binary.lhs) } else { expr }
        }
        other => other,
    }
}

/// What kind of number the answer is.
pub(super) fn kind(expr: &Expr) -> Kind {
    match heart(expr) {
        Expr::Aggregate(aggregate) => match aggregate.op.to_string().as_str() {
            "sum" | "count" => Kind::Total,
            "avg" | "quantile" => Kind::Average,
            // The largest average is an average.
            "max" | "min" => match kind(&aggregate.expr) {
                Kind::Total => Kind::Unknown,
                other => other,
            },
            _ => Kind::Unknown,
        },
        Expr::Call(call) => match call.func.name {
            "rate" | "irate" | "increase" => Kind::Total,
            "histogram_quantile" | "histogram_avg" => Kind::Average,
            "avg_over_time" | "max_over_time" | "min_over_time" | "quantile_over_time" | "last_over_time" => call
                .args
                .args
                .iter()
                .rev()
                .find(|argument| matches!(argument.as_ref(), Expr::Subquery(_)))
                .map_or(Kind::Unknown, |it| kind(it)),
            _ => Kind::Unknown,
        },
        Expr::Subquery(subquery) => kind(&subquery.expr),
        Expr::Binary(binary) => pair_kind(binary),
        _ => Kind::Unknown,
    }
}

fn pair_kind(binary: &BinaryExpr) -> Kind {
    let (left, right) = (binary.lhs.value_type(), binary.rhs.value_type());
    match (binary.op.to_string().as_str(), left, right) {
        ("/", ValueType::Vector, ValueType::Vector) => Kind::Ratio,
        // A number of the author's changes the unit and not the kind.
        ("*" | "/" | "+" | "-", ValueType::Vector, ValueType::Scalar) => kind(&binary.lhs),
        ("*" | "+" | "-", ValueType::Scalar, ValueType::Vector) => kind(&binary.rhs),
        ("+" | "-", ..) if kind(&binary.lhs) == kind(&binary.rhs) => kind(&binary.lhs),
        _ => Kind::Unknown,
    }
}

/// What the answer counts.
pub(super) fn unit(expr: &Expr) -> Unit {
    match heart(expr) {
        Expr::VectorSelector(selector) => metric(selector).map_or(Unit::Unknown, unit_of_name),
        Expr::MatrixSelector(selector) => metric(&selector.vs).map_or(Unit::Unknown, unit_of_name),
        Expr::Aggregate(aggregate) => match aggregate.op.to_string().as_str() {
            "sum" | "avg" | "min" | "max" | "quantile" | "topk" | "bottomk" => unit(&aggregate.expr),
            _ => Unit::Unknown,
        },
        Expr::Call(call) => match call.func.name {
            // Seconds per second are no time any more; bytes per second are still bytes.
            "rate" | "irate" | "deriv" => call
                .args
                .args
                .first()
                .map(|argument| unit(argument))
                .filter(|unit| *unit == Unit::Bytes)
                .unwrap_or(Unit::Unknown),
            "histogram_quantile" => buckets_unit(expr),
            name if name.ends_with("_over_time") || name == "increase" => {
                call.args.args.last().map_or(Unit::Unknown, |argument| unit(argument))
            }
            _ => Unit::Unknown,
        },
        Expr::Subquery(subquery) => unit(&subquery.expr),
        Expr::Binary(binary) => pair_unit(binary),
        _ => Unit::Unknown,
    }
}

/// Quantiles have the unit of their buckets, whatever was done to them.
fn buckets_unit(expr: &Expr) -> Unit {
    let mut unit = Unit::Unknown;
    metrics(expr, &mut |name| unit = unit_of_name(name));
    unit
}

fn pair_unit(binary: &BinaryExpr) -> Unit {
    match binary.op.to_string().as_str() {
        "/" => {
            let (mut sums, mut counts) = (false, false);
            metrics(&binary.lhs, &mut |name| sums |= name.ends_with("_seconds_sum"));
            metrics(&binary.rhs, &mut |name| counts |= name.ends_with("_seconds_count"));
            if sums && counts { Unit::Seconds } else { Unit::Unknown }
        }
        "+" | "-" if binary.rhs.value_type() == ValueType::Scalar => unit(&binary.lhs),
        "+" | "-" => {
            let (left, right) = (unit(&binary.lhs), unit(&binary.rhs));
            if left == right { left } else { Unit::Unknown }
        }
        _ => Unit::Unknown,
    }
}

/// By the conventions of Prometheus: the unit stands before the suffixes that say what was counted.
fn unit_of_name(name: &str) -> Unit {
    let stem = ["_total", "_sum", "_bucket"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    match stem {
        _ if stem.ends_with("_seconds") => Unit::Seconds,
        _ if stem.ends_with("_bytes") => Unit::Bytes,
        _ => Unit::Unknown,
    }
}
