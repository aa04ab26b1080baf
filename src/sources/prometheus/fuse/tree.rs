//! A query as far as it can be shared: the parts of PromQL whose result for many is known to be the results for each. Reading one
//! from the parser's tree is the allow-list; what has no place here is asked alone. Owns the forms and their text.

use std::fmt;
use std::time::Duration;

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Call, Expr, LabelModifier, Offset, VectorMatchCardinality,
    VectorMatchFillValues, VectorSelector,
};
use promql_parser::util::display_duration;

use super::Alone;
use super::quote::quoted;

/// Functions that yield one value for each series of their one argument that is no constant, from that series alone, and keep its
/// labels but the name.
const EACH_BY_ITSELF: [&str; 47] = [
    // Of a window.
    "rate",
    "irate",
    "increase",
    "delta",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "predict_linear",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "quantile_over_time",
    // Of one value.
    "abs",
    "ceil",
    "floor",
    "round",
    "clamp",
    "clamp_min",
    "clamp_max",
    "exp",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "sgn",
    "deg",
    "rad",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "timestamp",
];
/// Joins the buckets of each group of series that are equal but for `le`, which is never among the labels that tell queries apart.
pub(super) const HISTOGRAM_QUANTILE: &str = "histogram_quantile";
/// The same number for all queries of one instant.
const CONSTANTS: [&str; 2] = ["time", "pi"];
/// One value a group, from the group alone.
const AGGREGATIONS: [&str; 9] = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile"];
/// Operators that pair series one to one, or apply to each with a constant.
const PAIRING: [&str; 13] = ["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<="];
/// Operators on sets of series.
pub(super) const SETS: [&str; 3] = ["and", "or", "unless"];

/// A part of a query.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Series by name and labels, with a window where `range` is there.
    Select(Selector),
    /// An expression at many instants.
    Subquery { inner: Box<Node>, range: Duration, step: Option<Duration>, time: Time },
    /// A function of the lists above.
    Call { function: &'static str, arguments: Vec<Node> },
    /// Many series into few.
    Aggregate { operation: &'static str, grouping: Grouping, parameter: Option<Box<Node>>, inner: Box<Node> },
    /// Minus.
    Negative(Box<Node>),
    /// Parentheses of the author's.
    Paren(Box<Node>),
    /// A number.
    Number(f64),
    /// Two sides.
    Binary { operator: &'static str, bool: bool, matching: Option<Grouping>, left: Box<Node>, right: Box<Node> },
}

/// Series by name and labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector {
    pub(super) name: Option<String>,
    /// Sorted by label, so that the order of writing makes no difference.
    pub(super) matchers: Vec<Matcher>,
    pub(super) range: Option<Duration>,
    pub(super) time: Time,
}

/// What a label must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Matcher {
    pub(super) label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub(super) operator: &'static str,
    pub(super) value: String,
}

/// When a selector or subquery is looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Time {
    at: Option<AtModifier>,
    offset: Option<Offset>,
}

/// A list of labels that count (`by`, `on`) or do not (`without`, `ignoring`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grouping {
    pub(super) only: bool,
    pub(super) labels: Vec<String>,
}

impl Grouping {
    fn read(modifier: &LabelModifier) -> Self {
        Self { only: modifier.is_include(), labels: modifier.labels().labels.clone() }
    }
}

impl Node {
    /// Reads the parser's tree.
    ///
    /// # Errors
    /// The first part that cannot be shared.
    pub(super) fn read(expr: &Expr) -> Result<Self, Alone> {
        match expr {
            Expr::VectorSelector(selector) => Selector::read(selector, None).map(Self::Select),
            Expr::MatrixSelector(matrix) => Selector::read(&matrix.vs, Some(matrix.range)).map(Self::Select),
            Expr::Subquery(subquery) => Ok(Self::Subquery {
                inner: Self::boxed(&subquery.expr)?,
                range: subquery.range,
                step: subquery.step,
                time: Time { at: subquery.at.clone(), offset: subquery.offset.clone() },
            }),
            Expr::Call(call) => Self::call(call),
            Expr::Aggregate(aggregate) => Self::aggregate(aggregate),
            Expr::Unary(unary) => Ok(Self::Negative(Self::boxed(&unary.expr)?)),
            Expr::Paren(paren) => Ok(Self::Paren(Self::boxed(&paren.expr)?)),
            Expr::NumberLiteral(number) => Ok(Self::Number(number.val)),
            Expr::Binary(binary) => Self::binary(binary),
            Expr::StringLiteral(_) | Expr::Extension(_) => Err(Alone::NoVector),
        }
    }

    fn boxed(expr: &Expr) -> Result<Box<Self>, Alone> {
        Self::read(expr).map(Box::new)
    }

    fn call(call: &Call) -> Result<Self, Alone> {
        let name = call.func.name;
        if name != HISTOGRAM_QUANTILE && !EACH_BY_ITSELF.contains(&name) && !CONSTANTS.contains(&name) {
            return Err(Alone::Function(name));
        }
        let arguments = call.args.args.iter().map(|argument| Self::read(argument)).collect::<Result<_, _>>()?;
        Ok(Self::Call { function: name, arguments })
    }

    fn aggregate(aggregate: &AggregateExpr) -> Result<Self, Alone> {
        let name = aggregate.op.to_string();
        let known = AGGREGATIONS.iter().find(|known| **known == name);
        let Some(&operation) = known else { return Err(Alone::Aggregation(name)) };
        let grouping = aggregate.modifier.as_ref().map(Grouping::read);
        Ok(Self::Aggregate {
            operation,
            grouping: grouping.unwrap_or(Grouping { only: true, labels: Vec::new() }),
            parameter: aggregate.param.as_deref().map(Self::boxed).transpose()?,
            inner: Self::boxed(&aggregate.expr)?,
        })
    }

    fn binary(binary: &BinaryExpr) -> Result<Self, Alone> {
        let name = binary.op.to_string();
        let known = PAIRING.iter().chain(&SETS).find(|known| **known == name);
        let Some(&operator) = known else { return Err(Alone::NotUnderstood) };
        let mut matching = None;
        let mut bool = false;
        if let Some(modifier) = &binary.modifier {
            match modifier.card {
                VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {}
                VectorMatchCardinality::ManyToOne(_) => return Err(Alone::Operator("group_left")),
                VectorMatchCardinality::OneToMany(_) => return Err(Alone::Operator("group_right")),
            }
            if modifier.fill_values != VectorMatchFillValues::default() {
                return Err(Alone::Operator("fill"));
            }
            bool = modifier.return_bool;
            matching = modifier.matching.as_ref().map(Grouping::read);
        }
        let (left, right) = (Self::boxed(&binary.lhs)?, Self::boxed(&binary.rhs)?);
        Ok(Self::Binary { operator, bool, matching, left, right })
    }

    /// Calls `visit` with every selector.
    pub(super) fn selectors<'a>(&'a self, visit: &mut impl FnMut(&'a Selector)) {
        match self {
            Self::Select(selector) => visit(selector),
            Self::Number(_) => {}
            Self::Subquery { inner, .. } | Self::Negative(inner) | Self::Paren(inner) => inner.selectors(visit),
            Self::Call { arguments, .. } => arguments.iter().for_each(|argument| argument.selectors(visit)),
            Self::Aggregate { parameter, inner, .. } => {
                parameter.iter().for_each(|parameter| parameter.selectors(visit));
                inner.selectors(visit);
            }
            Self::Binary { left, right, .. } => {
                left.selectors(visit);
                right.selectors(visit);
            }
        }
    }
}

impl Selector {
    fn read(selector: &VectorSelector, range: Option<Duration>) -> Result<Self, Alone> {
        let Matchers { matchers, or_matchers } = &selector.matchers;
        if !or_matchers.is_empty() {
            return Err(Alone::Spelling("\"or\" between braces"));
        }
        let read = |matcher: &promql_parser::label::Matcher| Matcher {
            label: matcher.name.clone(),
            operator: match matcher.op {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Re(_) => "=~",
                MatchOp::NotRe(_) => "!~",
            },
            value: matcher.value.clone(),
        };
        let mut matchers: Vec<Matcher> = matchers.iter().map(read).collect();
        matchers.sort();
        let mut names = matchers.iter().filter(|matcher| matcher.label == "__name__");
        let named = match &selector.name {
            Some(_) => names.next().is_none(),
            None => {
                names.next().is_some_and(|name| name.operator == "=" && !name.value.is_empty())
                    && names.next().is_none()
            }
        };
        if !named {
            return Err(Alone::OpenName);
        }
        let time = Time { at: selector.at.clone(), offset: selector.offset.clone() };
        Ok(Self { name: selector.name.clone(), matchers, range, time })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(selector) => write!(f, "{selector}"),
            Self::Subquery { inner, range, step, time } => {
                let step = step.as_ref().map(display_duration).unwrap_or_default();
                write!(f, "{inner}[{}:{step}]{time}", display_duration(range))
            }
            Self::Call { function, arguments } => {
                write!(f, "{function}(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    write!(f, "{}{argument}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Self::Aggregate { operation, grouping, parameter, inner } => {
                f.write_str(operation)?;
                match grouping {
                    Grouping { only: true, labels } if labels.is_empty() => {}
                    Grouping { only: true, labels } => write!(f, " by ({}) ", labels.join(", "))?,
                    Grouping { only: false, labels } => write!(f, " without ({}) ", labels.join(", "))?,
                }
                match parameter {
                    Some(parameter) => write!(f, "({parameter}, {inner})"),
                    None => write!(f, "({inner})"),
                }
            }
            Self::Negative(inner) => write!(f, "-{inner}"),
            Self::Paren(inner) => write!(f, "({inner})"),
            Self::Number(number) if number.is_infinite() => f.write_str(if *number > 0.0 { "Inf" } else { "-Inf" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Binary { operator, bool, matching, left, right } => {
                write!(f, "{left} {operator} {}", if *bool { "bool " } else { "" })?;
                if let Some(Grouping { only, labels }) = matching {
                    write!(f, "{} ({}) ", if *only { "on" } else { "ignoring" }, labels.join(", "))?;
                }
                write!(f, "{right}")
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or_default())?;
        if !self.matchers.is_empty() {
            for (index, Matcher { label, operator, value }) in self.matchers.iter().enumerate() {
                write!(f, "{}{label}{operator}{}", if index == 0 { "{" } else { "," }, quoted(value))?;
            }
            f.write_str("}")?;
        }
        if let Some(range) = &self.range {
            write!(f, "[{}]", display_duration(range))?;
        }
        write!(f, "{}", self.time)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, " {at}")?;
        }
        if let Some(offset) = &self.offset {
            write!(f, " offset {offset}")?;
        }
        Ok(())
    }
}
