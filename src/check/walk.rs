//! Through the tree of a query, part by part in the order of its text. Owns the rules that look at one part and what stands around
//! it; what the whole query means is `query`'s.

use std::time::Duration;

use promql_parser::parser::value::ValueType;
use promql_parser::parser::{AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};
use promql_parser::util::display_duration;

use super::meaning::{bare, metric, metrics};
use super::words::Words;
use super::{Finding, Level, Place};

/// Functions that read a counter, restarts included.
const RATES: [&str; 3] = ["rate", "irate", "increase"];
/// Functions that read a value that goes up and down.
const DIFFERENCES: [&str; 4] = ["delta", "idelta", "deriv", "predict_linear"];
/// Functions to which it makes no difference that a counter only grows.
const ANY_SERIES: [&str; 8] =
    ["resets", "changes", "absent", "absent_over_time", "present_over_time", "count_over_time", "timestamp", "scalar"];
/// Endings of names that Prometheus' conventions give to counters.
const COUNTERS: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];
/// Counters that many scale by and that do not keep to those endings: the beginnings of their names.
const OTHER_COUNTERS: [&str; 2] = ["envoy_", "nginx_ingress_controller_requests"];

/// The function that reads a window, and where it stands.
type Window = (&'static str, Option<Place>);

/// What stands around a part.
#[derive(Debug, Clone, Default)]
struct Around {
    /// The function that reads the window, and where it stands.
    window: Option<Window>,
    /// A counter as such is fine here.
    counters: bool,
}

/// A walk through one query.
pub(super) struct Walk<'a> {
    words: Words<'a>,
    field: &'a str,
    scrape_interval: Duration,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Walk<'a> {
    /// Walks through `tree`, which was read from `text` up to what is filled in between quotes.
    pub(super) fn through(
        tree: &Expr,
        (text, field): (&'a str, &'a str),
        scrape_interval: Duration,
        findings: &'a mut Vec<Finding>,
    ) {
        Walk { words: Words::of(text), field, scrape_interval, findings }.part(tree, &Around::default());
    }

    fn say(&mut self, (level, code): (Level, &'static str), place: Option<Place>, (message, mend): (String, &str)) {
        self.findings.push(Finding::new(level, code, self.field, (message, mend.to_owned())).at(place));
    }

    fn part(&mut self, expr: &Expr, around: &Around) {
        match expr {
            Expr::VectorSelector(selector) => self.selector(selector, None, around),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs, Some(matrix.range), around),
            Expr::Call(call) => self.call(call, around),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, around),
            Expr::Binary(binary) => self.binary(binary, around),
            Expr::Paren(paren) => self.part(&paren.expr, around),
            Expr::Unary(unary) => self.part(&unary.expr, around),
            Expr::Subquery(subquery) => {
                if let Some((function, place)) = around.window.clone().filter(|(name, _)| RATES.contains(name))
                    && has_aggregation(&subquery.expr)
                {
                    let message =
                        format!("{function}() is over an aggregation: one pod that restarts looks like a reset of all");
                    self.say(
                        (Level::Warning, "rate-of-sum"),
                        place,
                        (message, "Take the rate first, then add: sum(rate(x[5m]))."),
                    );
                }
                // A function of a counter's growth has been told what is wrong with it; the others take what they get.
                let counters = around.counters || around.window.as_ref().is_some_and(|(name, _)| RATES.contains(name));
                self.part(&subquery.expr, &Around { window: None, counters });
                self.words.range();
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    fn call(&mut self, call: &Call, around: &Around) {
        let name = call.func.name;
        let place = self.words.find(name);
        if name == "histogram_quantile" {
            self.quantile(call, place.clone());
        }
        let window = (RATES.contains(&name) || DIFFERENCES.contains(&name) || name.ends_with("_over_time"))
            .then_some((name, place));
        let counters = around.counters || ANY_SERIES.contains(&name);
        for argument in &call.args.args {
            self.part(argument, &Around { window: window.clone(), counters });
        }
    }

    /// Without their bounds, buckets are one number, and no quantile comes of it.
    fn quantile(&mut self, call: &Call, place: Option<Place>) {
        let Some(Expr::Aggregate(aggregate)) = call.args.args.get(1).map(|buckets| bare(buckets)) else { return };
        let keeps = match &aggregate.modifier {
            None => false,
            Some(LabelModifier::Include(labels)) => labels.labels.iter().any(|label| label == "le"),
            Some(LabelModifier::Exclude(labels)) => labels.labels.iter().all(|label| label != "le"),
        };
        let mut classic = false;
        metrics(&aggregate.expr, &mut |name| classic |= name.ends_with("_bucket"));
        if classic && !keeps {
            let message =
                "histogram_quantile() gets buckets without their bounds: the aggregation drops the label le".to_owned();
            self.say((Level::Error, "quantile-without-le"), place, (message, "Write sum by (le) (…) within it."));
        }
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr, around: &Around) {
        let name = aggregate.op.to_string();
        self.words.find(&name);
        let counters = around.counters || matches!(name.as_str(), "count" | "group");
        let inside = Around { window: None, counters };
        if let Some(parameter) = &aggregate.param {
            self.part(parameter, &inside);
        }
        self.part(&aggregate.expr, &inside);
    }

    fn binary(&mut self, binary: &BinaryExpr, around: &Around) {
        let operator = binary.op.to_string();
        // The difference of a counter with itself at another time is fine, and so is asking whether it is there.
        let inside = Around { window: None, counters: around.counters || operator == "-" };
        self.part(&binary.lhs, &inside);
        let place = self.words.find(&operator);
        if operator == "or" && [&binary.lhs, &binary.rhs].into_iter().any(|side| is_constant_vector(side)) {
            let message = "a constant stands in for the answer that is missing: an outage of the metric looks like an idle workload, and lowers it";
            let mend = "Remove the `or`. Where an answer without series means no work, write `onMissing: Zero` beside the query: it counts only an empty answer as 0, never a failed one.";
            self.say((Level::Warning, "outage-as-load"), place.clone(), (message.to_owned(), mend));
        }
        if operator == "/" && divides_by_what_may_be_zero(&binary.rhs) {
            let message = "where the right side is 0 the result is NaN or infinite, which counts as missing: nothing is lowered then";
            let mend = "If that is not what you want, divide by what is left of `… > 0`: the answer is then empty, and `onMissing` says what it counts as.";
            self.say((Level::Note, "division-by-zero"), place, (message.to_owned(), mend));
        }
        let absence = matches!(operator.as_str(), "and" | "unless");
        self.part(&binary.rhs, &Around { counters: inside.counters || absence, ..inside });
    }

    fn selector(&mut self, selector: &VectorSelector, range: Option<Duration>, around: &Around) {
        let place = self.words.selector(selector.name.as_deref());
        let window = around.window.clone().filter(|_| range.is_some());
        if let Some(name) = metric(selector) {
            self.counter((name, place), around, window.as_ref());
        }
        let Some(range) = range else { return };
        let place = self.words.range();
        let Some((function, _)) = window else { return };
        let scrapes: u32 = if function.ends_with("_over_time") { 1 } else { 2 };
        let needed = self.scrape_interval.saturating_mul(scrapes);
        if range < needed {
            let (window, interval) = (display_duration(&range), display_duration(&self.scrape_interval));
            let message = format!(
                "a window of {window} does not always hold the {} that {function}() needs, with one scrape every {interval} (--scrape-interval)",
                if scrapes == 1 { "sample" } else { "two samples" },
            );
            let mend = format!(
                "Write [{}] or more: room for a scrape that fails.",
                display_duration(&self.scrape_interval.saturating_mul(4))
            );
            self.say((Level::Warning, "window-too-short"), place, (message, &mend));
        }
    }

    /// What the name of a metric says about how it is used.
    fn counter(&mut self, (name, place): (&str, Option<Place>), around: &Around, window: Option<&Window>) {
        // Recording rules have names of their own.
        if name.contains(':') {
            return;
        }
        let counts = COUNTERS.iter().any(|ending| name.ends_with(ending))
            || OTHER_COUNTERS.iter().any(|beginning| name.starts_with(beginning));
        // Gauges end in _count and _sum as well.
        let counts_surely = name.ends_with("_total") || name.ends_with("_bucket");
        match window {
            Some((function, at)) if RATES.contains(function) && !counts => {
                let message = format!(
                    "{function}() is over {name}, which by its name is no counter: each time it falls counts as a restart"
                );
                let mend = "Ask for the value itself, or use deriv() or delta() for how it changes.";
                self.say((Level::Warning, "rate-of-gauge"), at.clone(), (message, mend));
            }
            Some((function, at)) if DIFFERENCES.contains(function) && counts_surely => {
                let message =
                    format!("{function}() is over {name}, which by its name is a counter: a restart looks like a fall");
                self.say((Level::Warning, "delta-of-counter"), at.clone(), (message, "Use rate() or increase()."));
            }
            Some((function, _)) if RATES.contains(function) || DIFFERENCES.contains(function) => {}
            _ if counts_surely && !around.counters => {
                let message = format!(
                    "{name} is by its name a counter, which only grows: replicas would grow with it and never come back"
                );
                let mend = format!("Ask for its rate: rate({name}{{…}}[2m]).");
                self.say((Level::Warning, "counter-without-rate"), place, (message, &mend));
            }
            _ => {}
        }
    }
}

fn has_aggregation(expr: &Expr) -> bool {
    matches!(expr, Expr::Aggregate(_)) || super::meaning::children(expr).into_iter().any(has_aggregation)
}

/// `vector(0)` and what says the same.
fn is_constant_vector(expr: &Expr) -> bool {
    let mut metrics_named = 0;
    metrics(expr, &mut |_| metrics_named += 1);
    let is_call = |expr: &Expr| matches!(bare(expr), Expr::Call(call) if matches!(call.func.name, "vector" | "absent"));
    metrics_named == 0 && expr.value_type() == ValueType::Vector || is_call(expr)
}

/// Whether `divisor` is a measured value that nothing keeps from 0.
fn divides_by_what_may_be_zero(divisor: &Expr) -> bool {
    let mut measured = false;
    metrics(divisor, &mut |_| measured = true);
    let kept = match bare(divisor) {
        Expr::Binary(binary) => {
            binary.op.is_comparison_operator() && !binary.modifier.as_ref().is_some_and(|modifier| modifier.return_bool)
        }
        Expr::Call(call) => matches!(call.func.name, "clamp_min" | "clamp"),
        _ => false,
    };
    measured && !kept
}
