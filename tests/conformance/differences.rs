//! What Flyball decides otherwise on purpose, as rules, so that a case that nobody has seen counts as a deviation only where a listed
//! difference, and nothing else, leads from HPA's answer to Flyball's.
//!
//! HPA's whole pass is put together here from its steps, each of which cases of its own kind hold against HPA's own functions; the order of
//! steps is HPA's, written down a second time and not taken from `decide`. A difference changes one step. Knows sizes and whether metrics
//! were believed; must not know messages or the order of conditions.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use flyball::api::selector::LabelTest;
use serde_json::{Value, json};

use super::cases;

/// One of the deliberate differences; `deviations.toml` tells the reason of each by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Averages of the whole are held against the replicas asked for, not those that exist.
    Surge,
    /// Pods that have ended or are going count for nothing.
    EndedPods,
    /// Samples of pods that are not there count for nothing.
    Strays,
    /// Where no pod is ready, a Value is held against the replicas asked for.
    NoReadyPod,
    /// Above the target nothing is taken away, below it nothing is added.
    AgainstRatio,
    /// Without `behavior` a window only delays.
    Reversal,
    /// What is too much for a number is very much, and not the minimum.
    Overflow,
    /// Pods that two autoscalers select are no reason to stop.
    Overlap,
    /// Without a selector that can be read, only metrics of pods stop.
    Selector,
}

use Difference::{AgainstRatio, EndedPods, NoReadyPod, Overflow, Overlap, Reversal, Selector, Strays, Surge};

impl Difference {
    /// All of them: how Flyball decides.
    pub(crate) const ALL: [Self; 9] =
        [Surge, EndedPods, Strays, NoReadyPod, AgainstRatio, Reversal, Overflow, Overlap, Selector];

    /// Its name in `deviations.toml`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Surge => "surge",
            EndedPods => "ended-pods",
            Strays => "strays",
            NoReadyPod => "no-ready-pod",
            AgainstRatio => "against-ratio",
            Reversal => "reversal",
            Overflow => "overflow",
            Overlap => "overlap",
            Selector => "selector",
        }
    }
}

/// What a pass comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    desired: i64,
    /// Whether metrics were believed; `None` where none was looked at.
    active: Option<bool>,
    /// Whether it ended for whom the selector selects, before any metric.
    by_selector: bool,
}

/// The differences that lead from what HPA says to a case to what Flyball answers.
///
/// # Errors
/// Why they do not: the case is of a shape that is not modelled, HPA says otherwise than its own rules, or Flyball's answer is not the
/// one that the differences lead to.
pub(crate) fn explain(input: &Value, expect: &Value, answer: &Value) -> Result<Vec<Difference>, String> {
    let hpa = pass(input, &[])?;
    if let Some(other) = contradiction(hpa, expect) {
        return Err(format!("HPA's rules come to {hpa:?}, and the case says {other}"));
    }
    let own = pass(input, &Difference::ALL)?;
    if let Some(other) = contradiction(own, answer) {
        return Err(format!("HPA's rules with all differences come to {own:?}, and Flyball says {other}"));
    }
    if own == hpa {
        return Err("no listed difference bears on this case".to_owned());
    }
    let without = |left: Difference| Difference::ALL.into_iter().filter(|other| *other != left).collect::<Vec<_>>();
    let mut bearing = Vec::new();
    for difference in Difference::ALL {
        if pass(input, &[difference])? != hpa || pass(input, &without(difference))? != own {
            bearing.push(difference);
        }
    }
    Ok(bearing)
}

/// Whether HPA's rules, as they are written down here, come to what a case expects; an error tells how they do not.
pub(crate) fn agrees(input: &Value, expect: &Value) -> Result<(), String> {
    // A shape that is not modelled explains no deviation either.
    let Ok(hpa) = pass(input, &[]) else { return Ok(()) };
    contradiction(hpa, expect)
        .map_or(Ok(()), |other| Err(format!("HPA's rules come to {hpa:?}, and the case says {other}")))
}

/// Whether the pass is of a shape that is modelled, and HPA's rules with all differences come to Flyball's answer; an error tells how not.
pub(crate) fn leads_to(input: &Value, answer: &Value) -> Result<bool, String> {
    let Ok(own) = pass(input, &Difference::ALL) else { return Ok(false) };
    contradiction(own, answer).map_or(Ok(true), |other| {
        Err(format!("HPA's rules with all differences come to {own:?}, and Flyball says {other}"))
    })
}

/// What `said` says otherwise, if anything.
fn contradiction(pass: Pass, said: &Value) -> Option<String> {
    if let Some(desired) = said["desired"].as_i64().filter(|desired| *desired != pass.desired) {
        return Some(format!("desired {desired}"));
    }
    let active = said["conditions"].as_array()?.iter().find(|condition| condition["type"] == "ScalingActive")?;
    let differs = pass.active.is_some_and(|is_active| (active["status"] == "True") != is_active);
    differs.then(|| active.to_string())
}

/// HPA's pass with `with` otherwise.
fn pass(input: &Value, with: &[Difference]) -> Result<Pass, String> {
    let fault = &input["faults"];
    let writes = fault["write_scale"].is_null() || fault["write_scale"] == "conflict_once";
    let spec = input["target"]["spec_replicas"].as_i64().ok_or("no spec_replicas")?;
    let (min, max) = (input["min"].as_i64().ok_or("no min")?, input["max"].as_i64().ok_or("no max")?);
    if !writes || !fault["read_scale"].is_null() || spec == 0 {
        return Err("faults, and sizes of zero, are not modelled: no difference is about them".to_owned());
    }
    if spec > max || spec < min {
        return Ok(Pass { desired: spec.clamp(min, max), active: None, by_selector: false });
    }
    let held = Pass { desired: spec, active: Some(false), by_selector: false };
    let Some(pods) = measured(input, with)? else { return Ok(Pass { by_selector: true, ..held }) };
    let metrics = input["metrics"].as_array().ok_or("no metrics")?;
    let proposals = metrics
        .iter()
        .map(|metric| proposal(input, (metric, pods.as_deref()), with))
        .collect::<Result<Vec<_>, String>>()?;
    let best = proposals.iter().flatten().copied().max();
    let Some(best) = best.filter(|best| *best >= spec || proposals.iter().all(Option::is_some)) else {
        return Ok(held);
    };
    let stabilized = stabilized(input, (spec, best.max(0)), with)?;
    Ok(Pass { desired: limited(input, (spec, stabilized), (min, max))?, active: Some(true), by_selector: false })
}

/// The pods that the selector selects; `None` where the pass ends for whom it selects, and within it where that is not known.
#[allow(clippy::option_option, reason = "the pass ends, or goes on without pods")]
fn measured(input: &Value, with: &[Difference]) -> Result<Option<Option<Vec<Value>>>, String> {
    let test = |selector: &Value| LabelTest::parse(selector.as_str().unwrap_or_default());
    let Ok(selector) = test(&input["target"]["selector"]) else {
        return Ok(with.contains(&Selector).then_some(None));
    };
    let selects = |test: &LabelTest, pod: &Value| test.passes(|key| pod["labels"][key].as_str());
    let mut pods = input["pods"].as_array().cloned().unwrap_or_default();
    pods.retain(|pod| selects(&selector, pod));
    for other in input["other_autoscaler_selectors"].as_array().into_iter().flatten() {
        let other = test(other).map_err(|error| error.to_string())?;
        if pods.iter().any(|pod| selects(&other, pod)) && !with.contains(&Overlap) {
            return Ok(None);
        }
    }
    Ok(Some(Some(pods)))
}

/// What a metric asks for; `None` where it fails.
fn proposal(
    input: &Value,
    (metric, pods): (&Value, Option<&[Value]>),
    with: &[Difference],
) -> Result<Option<i64>, String> {
    let (target, observed) = (&metric["target"], &metric["observed"]);
    let kind = metric["type"].as_str().unwrap_or_default();
    let is_per_pod = matches!(kind, "resource" | "container_resource" | "pods");
    let is_average = target["average_milli"].is_i64();
    let calc = match (kind, is_average) {
        ("resource" | "container_resource", _) => "utilization",
        ("pods", _) => "pods_average",
        ("object", true) => "object_average",
        ("object", false) => "object_value",
        ("external", true) => "external_average",
        ("external", false) => "external_value",
        _ => return Ok(None),
    };
    if observed.is_null() || !observed["failure"].is_null() || (is_per_pod && pods.is_none()) {
        return Ok(None);
    }
    let spec = input["target"]["spec_replicas"].as_i64().unwrap_or_default();
    let exist = if with.contains(&Surge) { Some(spec) } else { input["target"]["status_replicas"].as_i64() };
    let controller = &input["controller"];
    let (pods, samples) = if is_per_pod {
        counted(pods.unwrap_or_default(), observed, with)
    } else {
        (ready(pods.unwrap_or_default(), spec, with), observed.clone())
    };
    let mut asked = json!({
        "calc": calc, "current_replicas": spec, "status_replicas": exist, "tolerance": tolerance(input), "pods": pods,
        "resource": metric["resource"], "container": metric["container"], "target": target, "samples": samples,
    });
    for key in ["cpu_init_s", "readiness_delay_s"] {
        if controller[key].is_i64() {
            asked[key] = controller[key].clone();
        }
    }
    let answer = cases::answer("calc", &asked)?;
    let Some(mut replicas) = answer["replicas"].as_i64() else { return Ok(None) };
    let wraps = !matches!(calc, "object_value" | "external_value" | "external_average");
    if wraps && replicas == i64::from(i32::MAX) && !with.contains(&Overflow) {
        replicas = i64::from(i32::MIN);
    }
    if with.contains(&AgainstRatio) {
        replicas = match direction(&answer, target) {
            Ordering::Greater => replicas.max(spec),
            Ordering::Less => replicas.min(spec),
            Ordering::Equal => replicas,
        };
    }
    Ok(Some(replicas))
}

/// On which side of its target a metric is, from what is reported of it.
fn direction(answer: &Value, target: &Value) -> Ordering {
    let of = |key: &str| answer[key].as_i64().zip(target[key].as_i64());
    let reported = of("average_milli").or_else(|| of("utilization_percent")).or_else(|| of("value_milli"));
    reported.map_or(Ordering::Equal, |(reported, target)| reported.cmp(&target))
}

/// The pods and samples of a metric with a value per pod that may count.
fn counted(pods: &[Value], samples: &Value, with: &[Difference]) -> (Vec<Value>, Value) {
    let name = |pod: &Value| pod["name"].as_str().unwrap_or_default().to_owned();
    let has_ended = |pod: &Value| pod["deleting"] == true || pod["phase"] == "Succeeded" || pod["phase"] == "Failed";
    let (mut pods, mut samples) = (pods.to_vec(), samples.as_array().cloned().unwrap_or_default());
    let known: BTreeSet<String> = pods.iter().map(name).collect();
    let of_known = |sample: &Value| sample["pod"].as_str().is_some_and(|pod| known.contains(pod));
    if with.contains(&Strays) {
        samples.retain(of_known);
    }
    if with.contains(&EndedPods) {
        let ended: BTreeSet<String> = pods.iter().filter(|pod| has_ended(pod)).map(name).collect();
        pods.retain(|pod| !has_ended(pod));
        samples.retain(|sample| sample["pod"].as_str().is_none_or(|pod| !ended.contains(pod)));
    }
    (pods, Value::Array(samples))
}

/// The pods that a Value is held against.
fn ready(pods: &[Value], spec: i64, with: &[Difference]) -> Vec<Value> {
    let is_ready = |pod: &&Value| pod["phase"] == "Running" && pod["ready"] == "True";
    if with.contains(&NoReadyPod) && !pods.iter().any(|pod| is_ready(&pod)) {
        return (0..spec).map(|_| json!({"phase": "Running", "ready": "True"})).collect();
    }
    pods.to_vec()
}

fn tolerance(input: &Value) -> Value {
    let of_all = input["controller"]["tolerance"].as_f64().unwrap_or(0.1);
    let counts = input["gates"]["per_policy_tolerance"].as_bool().unwrap_or(true);
    let of = |direction: &str| {
        let own = input["behavior"][direction]["tolerance"].as_f64();
        own.filter(|_| counts).unwrap_or(of_all)
    };
    json!({"down": of("down"), "up": of("up")})
}

/// What the windows make of a proposal.
fn stabilized(input: &Value, (spec, proposal): (i64, i64), with: &[Difference]) -> Result<i64, String> {
    // Never seen before: the present size is the first recommendation.
    let seeded = json!([{"replicas": spec, "age_s": 0}]);
    let recommendations = Some(&input["recommendations"]).filter(|stored| stored.is_array()).unwrap_or(&seeded);
    let default_window = input["controller"]["down_window_s"].as_i64().unwrap_or(300);
    let behavior = &input["behavior"];
    let answer = if behavior.is_null() {
        let asked = json!({"window_s": default_window, "recommendations": recommendations, "proposal": proposal});
        cases::answer("stabilize_simple", &asked)?
    } else {
        let (up, down) = (behavior["up"]["window_s"].as_i64(), behavior["down"]["window_s"].as_i64());
        let asked = json!({
            "current": spec, "proposal": proposal, "recommendations": recommendations,
            "up_window_s": up.unwrap_or(0), "down_window_s": down.unwrap_or(default_window),
        });
        cases::answer("stabilize_behavior", &asked)?
    };
    let stabilized = answer["stabilized"].as_i64().ok_or("nothing stabilized")?;
    let may_not_reverse = with.contains(&Reversal);
    Ok(if may_not_reverse { stabilized.min(proposal.max(spec)) } else { stabilized })
}

/// What bounds and rates leave of it.
fn limited(input: &Value, (spec, wanted): (i64, i64), (min, max): (i64, i64)) -> Result<i64, String> {
    let (controller, behavior) = (&input["controller"], &input["behavior"]);
    let mut asked = json!({"current": spec, "desired": wanted, "min": min, "max": max});
    let answer = if behavior.is_null() {
        asked["growth_factor"] = controller["growth_factor"].as_f64().unwrap_or(2.0).into();
        asked["growth_floor"] = controller["growth_floor"].as_i64().unwrap_or(4).into();
        cases::answer("clamp", &asked)?
    } else {
        (asked["up"], asked["down"]) = (behavior["up"].clone(), behavior["down"].clone());
        cases::answer("rate", &asked)?
    };
    answer["desired"].as_i64().ok_or_else(|| "nothing limited".to_owned())
}
