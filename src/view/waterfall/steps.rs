//! The steps of a published decision in words. Folds the recorded bounds over the recorded recommendation; where a record is absent the
//! step did not happen and is not told.

use crate::api::status::{FailingRecord, LastDecision, MetricProposal, PodCounts, RateLimitRecord};

use super::super::text::{plain, safe, sentence, time_of_day};
use super::{Step, Subject, Tone};

pub(super) fn limited(decision: &LastDecision, word: &str) -> bool {
    decision.limited_by.iter().any(|by| by == word)
}

/// Every step that happened.
pub(super) fn steps(subject: &Subject, decision: &LastDecision) -> Vec<Step> {
    let mut steps: Vec<Step> = decision.proposals.iter().map(|proposal| metric(decision, proposal)).collect();
    steps.extend(combined(decision));
    if decision.recommended_replicas.is_some() {
        steps.extend(window(decision));
        steps.extend(rate(decision));
        steps.extend(bound(decision));
    }
    steps.push(result(subject, decision));
    steps
}

fn step(text: String, number: i32, tone: Tone) -> Step {
    Step { text, tag: None, number: Some(number), tone }
}

fn metric(decision: &LastDecision, proposal: &MetricProposal) -> Step {
    let name = safe(&proposal.name);
    let why = proposal.reason.as_deref().map(|reason| format!(" ({})", safe(reason))).unwrap_or_default();
    let message = sentence(proposal.message.as_deref().unwrap_or("the reason was not recorded"));
    let floor = proposal.failing.as_ref().map(failing_for).unwrap_or_default();
    let Some(value) = &proposal.value else {
        let counted = match proposal.counted_as.as_deref() {
            Some("Zero") => ", which counts as zero (onMissing)",
            Some(_) => ", and is left out (onMissing)",
            None => "",
        };
        let text = format!("{name}: no value{why}{counted}: {message}{floor}");
        let tone = if counted.is_empty() { Tone::Bad } else { Tone::Plain };
        return Step { text, tag: None, number: asked(proposal), tone };
    };
    let (unit, per) = match proposal.target_type.as_str() {
        "Utilization" => (" %", " %"),
        "AverageValue" if proposal.pods.is_some() => ("", " per pod"),
        "AverageValue" => ("", " per replica"),
        _ => ("", ""),
    };
    let mut text = format!("{name}: {}{unit} against a target of {}{per}", plain(value), plain(&proposal.target));
    if let Some(ratio) = &proposal.ratio {
        text.push_str(&format!(", ratio {}", safe(ratio)));
    }
    if let Some(percent) = within_tolerance(decision, proposal) {
        text.push_str(&format!(", within the tolerance of {percent} %"));
    }
    if let Some(series) = proposal.series {
        text.push_str(&format!(", sum of {series} series"));
    }
    if let Some(pods) = &proposal.pods {
        text.push_str(&counted(pods));
    }
    let partial = proposal.reason.is_some();
    if partial {
        text.push_str(&format!(". Incomplete{why}, so it may raise but never lower: {message}"));
    }
    text.push_str(&floor);
    let tone = if partial { Tone::Bad } else { Tone::Plain };
    Step { text, tag: None, number: asked(proposal), tone }
}

/// What counts of a metric: the higher of its proposal and the floor of its fallback.
fn asked(proposal: &MetricProposal) -> Option<i32> {
    proposal.replicas.max(proposal.failing.as_ref().and_then(|failing| failing.floor))
}

/// Since when a metric fails, and the floor that follows.
fn failing_for(failing: &FailingRecord) -> String {
    let mut text = format!("; fails since {} ({} in a row)", time_of_day(failing.since.0), failing.failures);
    if let Some(floor) = failing.floor {
        text.push_str(&format!(", so spec.fallback keeps at least {floor}"));
    }
    text
}

/// How the pods counted.
fn counted(pods: &PodCounts) -> String {
    let mut text = format!(
        ", {} of {} pods count",
        pods.ready,
        pods.ready.saturating_add(pods.unready).saturating_add(pods.missing).saturating_add(pods.ignored)
    );
    for (count, what) in [(pods.unready, "not ready"), (pods.missing, "without a sample"), (pods.ignored, "ending")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}

/// The tolerance in percent where it kept this metric at the present size. The published ratio has two decimals, hence the half.
fn within_tolerance(decision: &LastDecision, proposal: &MetricProposal) -> Option<String> {
    let tolerance: f64 = proposal.tolerance.as_deref()?.parse().ok()?;
    let distance = (proposal.ratio.as_deref()?.parse::<f64>().ok()? - 1.0).abs();
    let stays = proposal.replicas == Some(decision.current_replicas);
    (stays && distance >= 0.005 && distance <= tolerance + 0.005).then(|| percent(tolerance))
}

fn percent(fraction: f64) -> String {
    let text = format!("{:.2}", fraction * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The first metric without a (whole) value.
fn failing(decision: &LastDecision) -> Option<&MetricProposal> {
    let unanswered = decision.proposals.iter().find(|proposal| proposal.value.is_none());
    unanswered.or_else(|| decision.proposals.iter().find(|proposal| proposal.reason.is_some()))
}

/// What came of all metrics together, or why they did not count.
fn combined(decision: &LastDecision) -> Option<Step> {
    let (current, min, max) = (decision.current_replicas, decision.min_replicas, decision.max_replicas);
    let tagged = |text: String, tag, number, tone| Some(Step { text, tag: Some(tag), number: Some(number), tone });
    if limited(decision, "Paused") {
        let text = if decision.desired_replicas == current {
            "paused: metrics are not asked, the size is held".to_owned()
        } else {
            format!("paused at a fixed size of {}: metrics are not asked", decision.desired_replicas)
        };
        return tagged(text, "Paused", decision.desired_replicas, Tone::Limit);
    }
    if limited(decision, "ScalingDisabled") {
        let text = "replicas is 0: somebody switched the workload off, and Flyball leaves it off".to_owned();
        return tagged(text, "ScalingDisabled", current, Tone::Limit);
    }
    let Some(recommended) = decision.recommended_replicas else {
        if limited(decision, "MaxReplicas") {
            let text = format!("{current} is above maxReplicas {max}: goes there at once, metrics unasked");
            return tagged(text, "MaxReplicas", max, Tone::Limit);
        }
        if limited(decision, "MinReplicas") {
            let text = format!("{current} is below minReplicas {min}: goes there at once, metrics unasked");
            return tagged(text, "MinReplicas", min, Tone::Limit);
        }
        let text = "no recommendation without a value, so the replicas are untouched".to_owned();
        return tagged(text, "MetricUnavailable", current, Tone::Bad);
    };
    for word in ["MetricUnavailable", "PartialData"] {
        if limited(decision, word) && recommended == current {
            let name = failing(decision).map_or_else(|| "a metric".to_owned(), |proposal| safe(&proposal.name));
            let tag = if word == "PartialData" { "PartialData" } else { "MetricUnavailable" };
            return tagged(
                format!("{name} is not whole, so nothing is lowered: replicas untouched"),
                tag,
                current,
                Tone::Bad,
            );
        }
    }
    let winner = safe(decision.metric_name.as_deref().unwrap_or("the highest"));
    (decision.proposals.len() > 1)
        .then(|| step(format!("highest of {} metrics: {winner}", decision.proposals.len()), recommended, Tone::Plain))
}

fn window(decision: &LastDecision) -> Option<Step> {
    let stabilized = decision.stabilized_replicas?;
    let Some(held) = &decision.stabilization else {
        return (decision.recommended_replicas != Some(stabilized))
            .then(|| step("stabilization".to_owned(), stabilized, Tone::Limit));
    };
    let until = held.until.as_ref().map_or_else(String::new, |until| format!(" until {}", time_of_day(until.0)));
    let text = format!("scale{} window of {} s: holds {stabilized}{until}", safe(&held.direction), held.window_seconds);
    Some(Step { text, tag: Some("StabilizationWindow"), number: Some(stabilized), tone: Tone::Limit })
}

/// The number before rate policies.
fn before_rate(decision: &LastDecision) -> Option<i32> {
    decision.stabilized_replicas.or(decision.recommended_replicas)
}

/// The number after rate policies and before the bounds. A rate policy only ever keeps a change small: it never turns it round.
fn after_rate(decision: &LastDecision) -> Option<i32> {
    let before = before_rate(decision)?;
    let current = decision.current_replicas;
    Some(match &decision.rate_limit {
        Some(rate) if rate.direction == "Up" => before.min(rate.replicas.max(current)),
        Some(rate) if rate.direction == "Down" => before.max(rate.replicas.min(current)),
        _ => before,
    })
}

fn rate(decision: &LastDecision) -> Option<Step> {
    let rate = decision.rate_limit.as_ref()?;
    let (before, after) = (before_rate(decision)?, after_rate(decision)?);
    let up = rate.direction == "Up";
    let side = if up { "scaleUp" } else { "scaleDown" };
    let reach = if up { "at most" } else { "at least" };
    let rule = match &rate.policy {
        _ if rate.select_policy == "Disabled" => format!("behavior.{side} is disabled, so the size stays"),
        Some(policy) => {
            format!("behavior.{side}: {}{}, so {reach} {}", select(rate), safe(policy), rate.replicas.max(0))
        }
        None => {
            format!("without behavior one step at most doubles the size or reaches 4, so {reach} {}", rate.replicas)
        }
    };
    if before == after {
        return Some(step(rule, after, Tone::Quiet));
    }
    let tag = if up { "ScaleUpPolicy" } else { "ScaleDownPolicy" };
    Some(Step { text: rule, tag: Some(tag), number: Some(after), tone: Tone::Limit })
}

fn select(rate: &RateLimitRecord) -> &'static str {
    if rate.select_policy == "Min" { "the strictest policy is " } else { "" }
}

fn bound(decision: &LastDecision) -> Option<Step> {
    let (name, tag, number) = if limited(decision, "MaxReplicas") {
        ("maxReplicas", "MaxReplicas", decision.max_replicas)
    } else if limited(decision, "MinReplicas") {
        ("minReplicas", "MinReplicas", decision.min_replicas)
    } else {
        return None;
    };
    Some(Step { text: format!("{name} {number}"), tag: Some(tag), number: Some(number), tone: Tone::Limit })
}

fn result(subject: &Subject, decision: &LastDecision) -> Step {
    let target = safe(&subject.target);
    let desired = decision.desired_replicas;
    if limited(decision, "DryRun") {
        let text = format!("dry run: would set {target} to {desired}, wrote nothing");
        return Step { text, tag: Some("DryRun"), number: Some(desired), tone: Tone::Limit };
    }
    let text = match decision.direction.as_str() {
        "Up" | "Down" => format!("applied to {target}"),
        _ => format!("held: {target} stays as it is"),
    };
    step(text, desired, Tone::Result)
}

/// How to lift what limited the decision, or until when it waits. The last step that limited is told: it is what a user meets first.
pub(super) fn closing(decision: &LastDecision) -> Option<String> {
    let is = |word| limited(decision, word);
    let recommended = decision.recommended_replicas;
    if is("Paused") {
        return Some("To lift: set spec.mode to Auto or drop the annotation flyball.dev/paused.".to_owned());
    }
    if is("ScalingDisabled") {
        return Some("To lift: scale it to 1 or more by hand; Flyball takes over from there.".to_owned());
    }
    if recommended.is_none() || (is("MetricUnavailable") && recommended == Some(decision.current_replicas)) {
        return lift_missing(decision);
    }
    if is("MaxReplicas") {
        return Some(lift_bound(decision, "raise maxReplicas above", decision.max_replicas));
    }
    if is("MinReplicas") {
        return Some(lift_bound(decision, "lower minReplicas below", decision.min_replicas));
    }
    if is("ScaleUpPolicy") || is("ScaleDownPolicy") {
        return Some(lift_rate(decision));
    }
    if let Some(held) = &decision.stabilization {
        let size = decision.stabilized_replicas.unwrap_or(decision.desired_replicas);
        let until = match &held.until {
            Some(until) => time_of_day(until.0),
            None => format!("a whole window of {} s was seen", held.window_seconds),
        };
        let asked = recommended.map_or_else(String::new, |number| format!("; metrics ask for {number}"));
        return Some(format!("Waiting: holds {size} until {until}{asked}."));
    }
    if is("PartialData") {
        return lift_missing(decision);
    }
    if is("DryRun") {
        return Some("To lift: set spec.mode to Auto.".to_owned());
    }
    if is("Tolerance") {
        return Some("Steady: it moves once the ratio leaves the tolerance.".to_owned());
    }
    None
}

fn lift_missing(decision: &LastDecision) -> Option<String> {
    let proposal = failing(decision)?;
    let reason = safe(proposal.reason.as_deref().unwrap_or("no value"));
    Some(format!("To lift: mend {} ({reason}); nothing is lowered until it is whole.", safe(&proposal.name)))
}

fn lift_bound(decision: &LastDecision, how: &str, bound: i32) -> String {
    let mut wishes = Vec::new();
    if let Some(now) = after_rate(decision).filter(|&now| now != bound) {
        wishes.push(format!("{now} now"));
    }
    if let (Some(free), Some(rate)) = (before_rate(decision), &decision.rate_limit)
        && after_rate(decision) != Some(free)
    {
        wishes.push(format!("{free} without the scale{} policy", safe(&rate.direction)));
    }
    let wishes = if wishes.is_empty() { String::new() } else { format!(" ({})", wishes.join(", ")) };
    format!("To lift: {how} {bound}{wishes}.")
}

fn lift_rate(decision: &LastDecision) -> String {
    let side = if limited(decision, "ScaleUpPolicy") { "scaleUp" } else { "scaleDown" };
    let rate = decision.rate_limit.as_ref();
    let how = match rate {
        Some(rate) if rate.select_policy == "Disabled" => format!("set behavior.{side}.selectPolicy to Max or Min"),
        Some(rate) if rate.policy.is_none() => format!("set behavior.{side} policies"),
        _ => format!("loosen behavior.{side}.policies"),
    };
    let free = before_rate(decision)
        .map(|free| free.clamp(decision.min_replicas, decision.max_replicas.max(decision.min_replicas)));
    let wish = free.map_or_else(String::new, |free| format!(" ({free} would be applied now)"));
    format!("To lift: {how}{wish}.")
}
