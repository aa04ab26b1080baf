//! One query with what it is held against. Owns the guard before the parser, what the parser says, and the rules that look at the
//! query as a whole: how many series, which kind of number, which unit.

use promql_parser::parser::value::ValueType;
use promql_parser::parser::{Expr, parse};

use super::broken;
use super::meaning::{Kind, Unit, kind, may_be_many, unit};
use super::walk::Walk;
use super::words::Words;
use super::{Assumptions, Finding, Level};
use crate::api::metrics::{PrometheusMetric, SeriesSpec, TargetKind};
use crate::sources::prometheus::fuse::{Alone, Template, scan};

/// A query and where it stands.
pub(super) struct Question<'a> {
    /// As it was written.
    pub(super) metric: &'a PrometheusMetric,
    /// As it is asked, with everything filled in.
    pub(super) promql: &'a str,
    /// Path of the block.
    pub(super) field: String,
}

/// Adds what there is to say about the query.
pub(super) fn check(question: &Question<'_>, assumptions: &Assumptions, findings: &mut Vec<Finding>) {
    let field = format!("{}.query", question.field);
    let tree = match read(question, &field) {
        Ok(tree) => tree,
        Err(finding) => return findings.push(*finding),
    };
    if let Some(finding) = no_vector(&tree, &field) {
        return findings.push(finding);
    }
    Walk::through(&tree, (&question.metric.query, &field), assumptions.scrape_interval, findings);
    whole(question, &tree, findings);
    if assumptions.sharing {
        findings.push(sharing(question.promql, &field));
    }
}

/// The tree of the query, or why there is none.
fn read(question: &Question<'_>, field: &str) -> Result<Expr, Box<Finding>> {
    let words = || Words::of(&question.metric.query);
    match scan(question.promql) {
        Ok(()) => {}
        Err(Alone::NotUnderstood) => {
            let mend = "Close the quotes.".to_owned();
            let message = "the query ends within a string".to_owned();
            return Err(Box::new(Finding::error("parse-error", field, message, mend).at(words().unpaired())));
        }
        Err(alone) => {
            let mend = match &alone {
                Alone::TooLarge => "Move a part of it into a recording rule.",
                _ => "Write it in the plain form, or take Prometheus' own word for it.",
            };
            let said = (format!("{} It is not looked into", alone), mend.to_owned());
            return Err(Box::new(Finding::new(Level::Warning, "not-checked", field, said)));
        }
    }
    parse(question.promql).map_err(|said| Box::new(unreadable(&question.metric.query, field, &said)))
}

/// What the parser says, and where as well as that can be found out.
fn unreadable(text: &str, field: &str, said: &str) -> Finding {
    let words = Words::of(text);
    let finding = |message: &str, mend: &str| Finding::error("parse-error", field, message.to_owned(), mend.to_owned());
    if let Some(place) = words.unpaired() {
        return finding(said, "The other half of this is missing.").at(Some(place));
    }
    // The operator asks Prometheus all the same.
    let mend = match text.contains("$__") {
        true => "$__ begins variables of Grafana: write what they stand for, as in [2m].",
        false => "If your Prometheus takes it, it works nevertheless: it is sent as it stands.",
    };
    match (said, broken::stop(text, &words).filter(|_| said == broken::NO_QUERY)) {
        (_, Some((place, message))) => finding(message, mend).at(Some(place)),
        (broken::NO_QUERY, None) => finding("this is no PromQL", mend),
        (said, None) => finding(said.trim_end_matches(['.', '\n']), mend).at(words.quoted_in(said)),
    }
}

fn no_vector(tree: &Expr, field: &str) -> Option<Finding> {
    let what = match tree.value_type() {
        ValueType::Vector | ValueType::Scalar => return None,
        ValueType::Matrix => "a range of samples",
        ValueType::String => "a string",
    };
    let message = format!("the query yields {what}, and replicas can only follow an instant vector or a scalar");
    let mend = "Put the range into a function, for example rate(x[2m]) or max_over_time(x[2m]).".to_owned();
    Some(Finding::error("no-instant-vector", field, message, mend))
}

/// What the number means, held against the target.
fn whole(question: &Question<'_>, tree: &Expr, findings: &mut Vec<Finding>) {
    let (metric, field) = (question.metric, &question.field);
    let (kind, unit) = (kind(tree), unit(tree));
    let mut say = |level: Level, code: &'static str, field: String, message: &str, mend: &str| {
        findings.push(Finding::new(level, code, &field, (message.to_owned(), mend.to_owned())));
    };
    let averages = matches!(kind, Kind::Average | Kind::Ratio);
    if metric.series == SeriesSpec::Sum && may_be_many(tree) {
        let field = format!("{field}.query");
        if averages {
            let message =
                "the answer may hold several series, and adding up averages, ratios or quantiles means nothing";
            let mend =
                "Aggregate to one series within the query, for example with max(…), or write `series: ExactlyOne`.";
            say(Level::Warning, "adds-averages", field, message, mend);
        } else {
            let message = "the answer may hold several series, which are added up";
            let mend = "Write sum(…) to say so, or `series: ExactlyOne` where there should be one.";
            say(Level::Note, "many-series", field, message, mend);
        }
    }
    let of_type = format!("{field}.target.type");
    match metric.target.kind {
        TargetKind::AverageValue if unit == Unit::Seconds && kind != Kind::Total => {
            let message = "AverageValue divides a time by the replicas, which means nothing: the more replicas, the faster it looks";
            say(Level::Warning, "latency-divided", of_type, message, "Write `type: Value` and `value`.");
        }
        TargetKind::AverageValue if averages => {
            let message = "AverageValue divides by the replicas what is an average or a ratio already";
            let mend = "Write `type: Value` and `value`, or ask for the total.";
            say(Level::Warning, "divided-twice", of_type, message, mend);
        }
        TargetKind::Value if kind == Kind::Total => {
            let message = "the total of the workload is held against Value: more replicas do not bring it down, so it grows until maxReplicas";
            let mend = "Write `type: AverageValue` and `averageValue`: the share of one replica.";
            say(Level::Warning, "total-against-value", of_type, message, mend);
        }
        _ => {}
    }
    let (amount, name) = match metric.target.kind {
        TargetKind::Value => (&metric.target.value, "value"),
        _ => (&metric.target.average_value, "averageValue"),
    };
    if let Some(amount) =
        amount.as_ref().filter(|amount| unit == Unit::Bytes && !amount.0.ends_with(char::is_alphabetic))
    {
        let message = format!("the query yields bytes, and {} has no suffix", amount.0);
        let mend = "Write Ki, Mi or Gi, if you do not mean single bytes.";
        say(Level::Warning, "bytes-without-suffix", format!("{field}.target.{name}"), &message, mend);
    }
}

/// Whether the query goes into one request with others.
fn sharing(promql: &str, field: &str) -> Finding {
    let said = match Template::of(promql) {
        Ok(template) => {
            let labels = template.shape().labels().join(" and ");
            (format!("shares a request with every query that differs in the value of {labels} only"), String::new())
        }
        Err(alone) => (
            format!("is asked alone ({}): {}", alone.reason(), alone.to_string().trim_end_matches('.')),
            "That is right, and costs Prometheus one more request a period.".to_owned(),
        ),
    };
    Finding::new(Level::Note, "sharing", field, said)
}
