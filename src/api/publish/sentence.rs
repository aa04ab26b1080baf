//! A decision in words: the sentence of `lastDecision`, the reason of an event, the summary of `kubectl get`. Renders numbers of the
//! trace and computes none.

use crate::api::conditions::time;
use crate::engine::{
    Direction, LimitReason, Milli, Mode, OnMissing, Outcome, PerPod, Policy, Proposal, RateKind, RateLimit, RatePolicy,
    Target, Trace,
};

/// Most metrics that the summary names; the rest is counted, as HPA's column does.
const MAX_SUMMARY_METRICS: usize = 2;

/// One sentence with the arithmetic of the decision.
pub(super) fn sentence(policy: &Policy, trace: &Trace) -> String {
    let (current, desired) = (trace.current_replicas, trace.desired_replicas);
    let head = if current == desired { format!("stays at {current}") } else { format!("{current} → {desired}") };
    let mut clauses = vec![cause(policy, trace)];
    clauses.extend(degradation(policy, trace));
    clauses.extend(stabilization(trace));
    clauses.extend(limits(trace));
    if trace.mode == Mode::DryRun && current != desired {
        clauses.push("dry run: nothing is written".to_owned());
    }
    format!("{head}: {}", clauses.join("; "))
}

fn cause(policy: &Policy, trace: &Trace) -> String {
    match trace.outcome {
        Outcome::Valid { winner, .. } => trace.proposals.get(winner).map_or_else(
            || "the metrics agree".to_owned(),
            |proposal| match proposal.asks().filter(|_| proposal.rests_on_floor()) {
                Some(floor) => floor_clause(metric_name(policy, winner), proposal, floor),
                None => proposal_clause(metric_name(policy, winner), proposal, trace),
            },
        ),
        Outcome::MetricsFailed { first } => {
            let absent = trace.proposals.get(first).and_then(|proposal| proposal.reading.absent());
            let why = absent
                .map(|absent| format!(" ({}: {})", absent.absence.reason(), absent.message.trim_end_matches('.')));
            format!("{} has no value to act on{}", metric_name(policy, first), why.unwrap_or_default())
        }
        Outcome::AboveMax => format!("the size was above maxReplicas {}", trace.max_replicas),
        Outcome::BelowMin => format!("the size was below minReplicas {}", trace.min_replicas),
        Outcome::Disabled => "the workload was set to zero by somebody else, and is left there".to_owned(),
        Outcome::Paused => match trace.mode {
            Mode::Paused { replicas: Some(replicas) } => format!("paused at {replicas}"),
            _ => "paused".to_owned(),
        },
    }
}

/// What a metric asks for whose floor is higher than what it measures.
fn floor_clause(name: &str, proposal: &Proposal, floor: i32) -> String {
    let since = failing_since(proposal).unwrap_or_else(|| "failed".to_owned());
    format!("{name} {since}, and its fallback keeps at least {floor}")
}

/// Since when a metric fails: `has failed 5 times in a row since 22:01:05Z`. `None` at the first failure, which has no history to tell.
pub(super) fn failing_since(proposal: &Proposal) -> Option<String> {
    let failing = proposal.failing.filter(|failing| failing.is_news())?;
    let since = time(failing.since).0;
    Some(if failing.answers > 0 {
        format!("answers again after failing {} times in a row since {since}", failing.failures)
    } else {
        format!("has failed {} times in a row since {since}", failing.failures)
    })
}

fn proposal_clause(name: &str, proposal: &Proposal, trace: &Trace) -> String {
    let unit = if matches!(proposal.target, Target::Utilization(_)) { " %" } else { "" };
    let value = match proposal.per_pod {
        Some(_) => proposal.measured(),
        None => proposal.reading.sample().map(|sample| sample.value),
    };
    let value = value.map_or_else(|| "without a value".to_owned(), |value| format!("{}{unit}", short(value)));
    let target = match (proposal.target, proposal.per_pod) {
        (Target::Value(_) | Target::Utilization(_), None) => short(proposal.target.amount()) + unit,
        (Target::AverageValue(target), None) => {
            format!("{} per replica at {}", short(target), replicas(trace.current_replicas))
        }
        (_, Some(counts)) => pods_clause(proposal.target, &counts),
    };
    let against = match proposal.ratio.filter(|ratio| ratio.is_finite()) {
        Some(ratio) => format!("{name} {value} is {ratio:.2} × its target {target}"),
        None => format!("{name} {value}, held against its target {target},"),
    };
    let most = match trace.proposals.len() {
        0 | 1 => String::new(),
        several => format!(", the most of {several} metrics"),
    };
    let asked = proposal.replicas.unwrap_or(trace.current_replicas);
    if proposal.within_tolerance {
        format!("{against}, within the tolerance of {}, and keeps {asked}{most}", fraction(proposal.tolerance))
    } else {
        format!("{against} and asks for {asked}{most}")
    }
}

/// The target of a metric with a value per pod, and how the pods counted.
fn pods_clause(target: Target, counts: &PerPod) -> String {
    let pods = |count: u32| if count == 1 { "1 pod".to_owned() } else { format!("{count} pods") };
    let of = match target {
        Target::Utilization(percent) => format!("{percent} % of what {} request", pods(counts.ready)),
        Target::Value(target) | Target::AverageValue(target) => {
            format!("{} per pod over {}", short(target), pods(counts.ready))
        }
    };
    let Some(ratio) = counts.filled_ratio else { return of };
    let mut others = Vec::new();
    if counts.missing > 0 {
        others.push(format!("{} without a sample", pods(counts.missing)));
    }
    if counts.unready > 0 {
        others.push(format!("{} not ready", pods(counts.unready)));
    }
    format!("{of} ({ratio:.2} × with {} counted against it)", others.join(" and "))
}

fn degradation(policy: &Policy, trace: &Trace) -> Option<String> {
    let Outcome::Valid { degraded: true, .. } = trace.outcome else { return None };
    let (index, absent) = first_absent(trace)?;
    let what = match trace.proposals.get(index).map(|proposal| &proposal.reading) {
        Some(reading) if reading.is_partial() => "is incomplete",
        _ => "has no value",
    };
    Some(format!("{} {what} ({absent}), so nothing is lowered", metric_name(policy, index)))
}

/// The first metric that has no value or not all of it, with the class of absence.
pub(super) fn first_absent(trace: &Trace) -> Option<(usize, &'static str)> {
    let absent = |(index, proposal): (usize, &Proposal)| {
        let counts = matches!(proposal.taken_for, OnMissing::Hold | OnMissing::Fallback);
        Some((index, proposal.reading.absent().filter(|_| counts)?.absence.reason()))
    };
    trace.proposals.iter().enumerate().find_map(absent)
}

fn stabilization(trace: &Trace) -> Option<String> {
    let stabilization = trace.stabilization?;
    let held = stabilization.held?;
    let direction = match held.direction {
        Direction::Up => "scale-up",
        Direction::Down => "scale-down",
    };
    Some(format!("the {direction} window of {} s holds {}", held.window_seconds, stabilization.replicas))
}

fn limits(trace: &Trace) -> Vec<String> {
    let Some(limit) = trace.limit else { return Vec::new() };
    let stabilized = trace.stabilization.map(|stabilization| stabilization.replicas).or(trace.recommended_replicas);
    let binds = |rate: &RateLimit| match rate.direction {
        Direction::Up => stabilized.is_some_and(|wanted| wanted > rate.replicas),
        Direction::Down => stabilized.is_some_and(|wanted| wanted < rate.replicas),
    };
    let mut clauses = Vec::new();
    if let Some(rate) = limit.rate.filter(binds) {
        clauses.push(rate_clause(&rate));
    }
    match limit.reason {
        LimitReason::TooManyReplicas => clauses.push(format!("at most {} by maxReplicas", trace.max_replicas)),
        LimitReason::TooFewReplicas => clauses.push(format!("at least {} by minReplicas", trace.min_replicas)),
        LimitReason::DesiredWithinRange | LimitReason::ScaleUpLimit | LimitReason::ScaleDownLimit => {}
    }
    clauses
}

fn rate_clause(rate: &RateLimit) -> String {
    let (bound, direction, growth) = match rate.direction {
        Direction::Up => ("at most", "scale-up", "the growth limit without behavior"),
        Direction::Down => ("at least", "scale-down", "the limit without behavior"),
    };
    match rate.policy {
        Some(policy) => format!("{bound} {} by {}", rate.replicas, rate_policy(policy)),
        None if rate.select == crate::engine::Select::Disabled => format!("{direction} is disabled"),
        None => format!("{bound} {} by {growth}", rate.replicas),
    }
}

/// A rate policy in words: `4 Pods in 15 s`.
pub(super) fn rate_policy(policy: RatePolicy) -> String {
    let unit = match policy.kind {
        RateKind::Pods => "Pods",
        RateKind::Percent => "Percent",
    };
    format!("{} {unit} in {} s", policy.value, policy.period_seconds)
}

/// Why the size changes, in the words of HPA's events.
#[must_use]
pub fn rescale_reason(policy: &Policy, trace: &Trace) -> String {
    match trace.outcome {
        Outcome::AboveMax => "Current number of replicas above Spec.MaxReplicas".to_owned(),
        Outcome::BelowMin => "Current number of replicas below Spec.MinReplicas".to_owned(),
        Outcome::Paused => format!("Paused at {}", replicas(trace.desired_replicas)),
        Outcome::Valid { winner, .. } if trace.desired_replicas > trace.current_replicas => {
            let on_floor = trace.proposals.get(winner).is_some_and(Proposal::rests_on_floor);
            let why = if on_floor { "failing, its fallback applies" } else { "above target" };
            format!("{} {why}", metric_name(policy, winner))
        }
        Outcome::Valid { .. } => "All metrics below target".to_owned(),
        Outcome::MetricsFailed { .. } | Outcome::Disabled => String::new(),
    }
}

/// Current and target of each metric: `612m/500m`, `<unknown>/100` where there is no value. No spaces, so that `awk` can read the column.
pub(super) fn metrics_summary(trace: &Trace) -> Option<String> {
    if trace.proposals.is_empty() {
        return None;
    }
    let one = |proposal: &Proposal| {
        let unit = if matches!(proposal.target, Target::Utilization(_)) { "%" } else { "" };
        let current = proposal.measured().map_or_else(|| "<unknown>".to_owned(), short);
        format!("{current}{unit}/{}{unit}", short(proposal.target.amount()))
    };
    let mut parts: Vec<String> = trace.proposals.iter().take(MAX_SUMMARY_METRICS).map(one).collect();
    if trace.proposals.len() > MAX_SUMMARY_METRICS {
        parts.push(format!("+{}", trace.proposals.len() - MAX_SUMMARY_METRICS));
    }
    Some(parts.join(","))
}

/// The name of the metric at `index`.
pub(super) fn metric_name(policy: &Policy, index: usize) -> &str {
    policy.metrics.get(index).map_or("a metric", |metric| &metric.name)
}

/// A number for people: below 1 as a quantity (`612m`), above with about three significant digits (`2.04`, `204.1`, `1224`).
pub(super) fn short(value: Milli) -> String {
    let thousandths = value.get();
    let magnitude = thousandths.unsigned_abs();
    if magnitude < 1000 || magnitude.is_multiple_of(1000) {
        return value.to_string();
    }
    let (step, digits) = match magnitude {
        0..100_000 => (10, 2),
        100_000..1_000_000 => (100, 1),
        _ => (1000, 0),
    };
    let rounded = (magnitude + step / 2) / step; // no overflow: half a step above i64 fits into u64
    let sign = if thousandths < 0 { "-" } else { "" };
    let per_unit = 1000 / step;
    let text = match digits {
        0 => rounded.to_string(),
        digits => format!("{}.{:0digits$}", rounded / per_unit, rounded % per_unit),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{sign}{text}")
}

/// A fraction as it would stand in a manifest: `0.1`.
pub(super) fn fraction(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 replica`, `4 replicas`.
pub(super) fn replicas(count: i32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}
