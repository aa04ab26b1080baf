//! Whatever users and metrics get wrong: a condition with its reason and one clear sentence, replicas untouched, neighbours undisturbed,
//! and everything good again once it is mended.

use std::time::Duration;

use flyball::sandbox::prometheus::Fault;
use serde_json::{Value, json};

use crate::scene::{PERIOD, Scene, policy, with};

/// Below 64 failures in a row a policy waits at most this long.
const LONGEST_WAIT: u64 = 60 + PERIOD;

/// A sick policy over a Deployment of 3, beside a healthy one.
async fn scene_with(sick: Value) -> Scene {
    let scene = Scene::new().await;
    scene.deploy("sick", 3);
    scene.set("sick", 900.0);
    scene.add("healthy", 4);
    scene.apply(sick);
    scene.pass(2 * PERIOD).await;
    scene
}

/// The healthy neighbour goes on as if nothing were wrong.
async fn neighbour_follows(scene: &Scene) {
    scene.expect("healthy", ("Ready", "True", "Controlled"));
    scene.set("healthy", 560.0);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("healthy"), 6, "a neighbour follows its metric");
    scene.set("healthy", 600.0);
    scene.expect("healthy", ("Ready", "True", "Controlled"));
}

fn assert_reads_well(message: &str) {
    assert!((20..=420).contains(&message.len()), "{} bytes: {message}", message.len());
    assert!(!message.contains('\n') && !message.contains("  ") && !message.contains(".."), "{message:?}");
    assert!(!message.contains("Some(") && !message.contains("Err("), "no code in a sentence: {message}");
}

struct Case<'a> {
    sick: Value,
    /// (condition, status, reason)
    conditions: &'static [(&'static str, &'static str, &'static str)],
    says: &'a [&'a str],
}

async fn check(case: Case<'_>) -> Scene {
    let scene = scene_with(case.sick).await;
    for expected in case.conditions {
        scene.expect("sick", *expected);
    }
    let ready = scene.expect("sick", ("Ready", "False", case.conditions[0].2));
    assert_reads_well(&ready);
    for words in case.says {
        assert!(ready.contains(words), "{words:?} is missing: {ready}");
    }
    let warnings = scene.events("ScalingPolicy", "sick").await;
    assert_eq!(warnings.len(), 1, "one event for one fault: {warnings:?}");
    assert_eq!(warnings[0].0, "Warning");
    let alert = "flyball_condition{namespace=\"shop\",name=\"sick\",type=\"Ready\",status=\"False\"}";
    assert_eq!(scene.gauge(alert), Some(1.0), "an alert can see it");
    neighbour_follows(&scene).await;
    assert_eq!(scene.replicas("sick"), 3, "replicas are untouched");
    assert_eq!(scene.size_writes(), 1, "only the neighbour's");
    scene
}

/// After a mend, everything is good again within the longest wait.
async fn recovers(scene: &Scene) {
    scene.pass(LONGEST_WAIT).await;
    for condition in
        [("Ready", "True", "Controlled"), ("Stalled", "", ""), ("ScalingActive", "True", "ValidMetricFound")]
    {
        scene.expect("sick", condition);
    }
    let (able, ..) = scene.condition("sick", "AbleToScale");
    assert_eq!(able, "True");
    assert_eq!(scene.replicas("sick"), 9, "the mended policy follows");
}

fn target(api_version: &str, kind: &str, name: &str) -> Value {
    with(policy("sick"), "/spec/scaleTargetRef", json!({"apiVersion": api_version, "kind": kind, "name": name}))
}

#[tokio::test(start_paused = true)]
async fn an_unknown_target_is_named_and_found_once_it_exists() {
    let scene = check(Case {
        sick: target("apps/v1", "Deployment", "sicc"),
        conditions: &[
            ("Ready", "False", "TargetNotFound"),
            ("AbleToScale", "False", "FailedGetScale"),
            ("Stalled", "", ""),
        ],
        says: &["Deployment \"sicc\"", "does not exist", "spec.scaleTargetRef.name"],
    })
    .await;
    scene.deploy("sicc", 9);
    scene.pass(LONGEST_WAIT).await;
    scene.expect("sick", ("Ready", "True", "Controlled"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_is_stalled_until_the_spec_is_mended() {
    let scene = check(Case {
        sick: target("apps/v1", "Deploymant", "sick"),
        conditions: &[("Ready", "False", "TargetKindUnknown"), ("Stalled", "True", "TargetKindUnknown")],
        says: &["\"Deploymant\"", "\"apps/v1\"", "spec.scaleTargetRef", "kubectl api-resources"],
    })
    .await;
    scene.edit("sick", json!({"spec": {"scaleTargetRef": {"kind": "Deployment"}}})).await;
    scene.pass(1).await;
    scene.expect("sick", ("Stalled", "", ""));
    recovers(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_group_is_an_unknown_kind() {
    check(Case {
        sick: target("argoproj.io/v1alpha1", "Rollout", "sick"),
        conditions: &[("Ready", "False", "TargetKindUnknown"), ("Stalled", "True", "TargetKindUnknown")],
        says: &["\"Rollout\"", "\"argoproj.io/v1alpha1\""],
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unscalable_kind_is_stalled() {
    let sick = target("v1", "ConfigMap", "sick");
    let refused_by_rule = check(Case {
        sick,
        conditions: &[("Ready", "False", "InvalidSpec"), ("Stalled", "True", "InvalidSpec")],
        says: &["spec.scaleTargetRef.apiVersion: v1", "apps/v1"],
    });
    drop(refused_by_rule.await);
    let scene = check(Case {
        sick: target("coordination.k8s.io/v1", "Lease", "sick"),
        conditions: &[("Ready", "False", "TargetNotScalable"), ("Stalled", "True", "TargetNotScalable")],
        says: &["Lease in coordination.k8s.io/v1", "no scale subresource", "Deployment"],
    })
    .await;
    scene.edit("sick", json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment"}}})).await;
    recovers(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn bad_promql_is_stalled_with_the_words_of_prometheus() {
    let scene = check(Case {
        sick: with(policy("sick"), "/spec/metrics/0/prometheus/query", "sum(load{app=\"sick\"}"),
        conditions: &[
            ("Ready", "False", "MetricUnavailable"),
            ("ScalingActive", "False", "FailedGetPrometheusMetric"),
            ("Stalled", "True", "BadQuery"),
            ("AbleToScale", "True", "SucceededGetScale"),
        ],
        says: &["metric load", "BadQuery", "refused the query (HTTP 400)", "the size is held"],
    })
    .await;
    let good = policy("sick")["spec"]["metrics"].clone();
    scene.edit("sick", json!({"spec": {"metrics": good}})).await;
    recovers(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn a_query_without_series_says_where_to_look() {
    let scene = check(Case {
        sick: with(policy("sick"), "/spec/metrics/0/prometheus/query", "lod{app=\"sick\"}"),
        conditions: &[("Ready", "False", "MetricUnavailable"), ("Stalled", "", "")],
        says: &["metric load: EmptyResult", "no series", "label matchers", "the size is held"],
    })
    .await;
    let status = scene.status("sick");
    assert_eq!(status["metricsSummary"], "<unknown>/100");
    assert_eq!(status["lastDecision"]["limitedBy"], json!(["MetricUnavailable"]));
    assert_eq!(status["lastDecision"]["proposals"][0]["reason"], "EmptyResult");
}

#[tokio::test(start_paused = true)]
async fn not_a_number_is_no_number_to_scale_by() {
    let scene = check(Case {
        sick: with(policy("sick"), "/spec/metrics/0/prometheus/query", "load{app=\"sick\"} / 0 * 0"),
        conditions: &[("Ready", "False", "MetricUnavailable"), ("ScalingActive", "False", "FailedGetPrometheusMetric")],
        says: &["metric load: NotFinite", "division by zero"],
    })
    .await;
    let good = policy("sick")["spec"]["metrics"].clone();
    scene.edit("sick", json!({"spec": {"metrics": good}})).await;
    recovers(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_series_are_refused_where_one_is_wanted_and_summed_elsewhere() {
    let all = with(policy("sick"), "/spec/metrics/0/prometheus/query", "load");
    let scene = Scene::new().await;
    (0..100).for_each(|pod| scene.set(&format!("pod-{pod}"), 9.0));
    scene.deploy("sick", 3);
    scene.apply(with(all.clone(), "/spec/metrics/0/prometheus/series", "ExactlyOne"));
    scene.pass(PERIOD).await;
    let message = scene.expect("sick", ("Ready", "False", "MetricUnavailable"));
    assert_reads_well(&message);
    assert!(message.contains("100 series where exactly one is wanted") && message.contains("sum()"), "{message}");
    assert_eq!(scene.replicas("sick"), 3);
    scene.edit("sick", json!({"spec": {"metrics": all["spec"]["metrics"]}})).await;
    scene.pass(2 * PERIOD).await;
    assert_eq!(scene.replicas("sick"), 9, "100 series of 9 are 900");
    assert_eq!(scene.status("sick")["lastDecision"]["proposals"][0]["series"], 100);
}

/// Faults of Prometheus hit everybody: nobody moves, everybody says why, and everybody comes back.
#[tokio::test(start_paused = true)]
async fn a_broken_prometheus_moves_nothing_and_is_forgiven() {
    for (fault, class, says) in [
        (Fault::Off, "SourceUnavailable", "Cannot reach prometheus.sandbox:9090: connection refused"),
        (Fault::Unavailable, "SourceUnavailable", "HTTP 503"),
        (Fault::Slow(Duration::from_secs(8)), "SourceUnavailable", "did not answer in full within 5s"),
        (Fault::Empty, "EmptyResult", "no series"),
        (Fault::NotANumber, "NotFinite", "NaN"),
    ] {
        let scene = scene_with(policy("sick")).await;
        assert_eq!(scene.replicas("sick"), 9, "{fault:?}: it was healthy before");
        scene.prometheus.set_fault(fault);
        scene.set("sick", 0.0); // what would be read if the fault were taken for a value
        scene.pass(10 * 60).await;
        for name in ["sick", "healthy"] {
            let message = scene.expect(name, ("Ready", "False", "MetricUnavailable"));
            assert_reads_well(&message);
            assert!(
                message.contains(&format!("metric load: {class}: ")) && message.contains(says),
                "{fault:?}: {message}"
            );
            scene.expect(name, ("ScalingActive", "False", "FailedGetPrometheusMetric"));
            scene.expect(name, ("Stalled", "", ""));
        }
        assert_eq!((scene.replicas("sick"), scene.replicas("healthy")), (9, 4), "{fault:?} lowers nothing");
        scene.set("sick", 950.0);
        scene.prometheus.set_fault(Fault::None);
        scene.pass(LONGEST_WAIT).await;
        for name in ["sick", "healthy"] {
            scene.expect(name, ("Ready", "True", "Controlled"));
        }
        // Ended with the fault's last answer: from now on every period is asked again.
        let before = scene.probe.asked(&crate::scene::query("sick")).len();
        scene.pass(4 * PERIOD).await;
        assert_eq!(scene.probe.asked(&crate::scene::query("sick")).len() - before, 4, "{fault:?}: the pauses are over");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_a_minute_and_end_with_the_fault() {
    let scene = scene_with(policy("sick")).await;
    scene.prometheus.set_fault(Fault::Empty);
    let start = scene.probe.asked(&crate::scene::query("sick")).len();
    scene.pass(10 * 60).await;
    let asked = scene.probe.asked(&crate::scene::query("sick"));
    let gaps: Vec<u64> = asked[start..].windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert!(gaps.windows(2).all(|pair| pair[0] <= pair[1]), "they grow: {gaps:?}");
    assert_eq!((gaps.first(), gaps.last()), (Some(&15), Some(&60)), "{gaps:?}");
    let writes = scene.status_writes();
    scene.pass(5 * 60).await;
    assert_eq!(scene.status_writes(), writes, "a fault that lasts is written once");
}

/// One metric of two is gone: the other may still raise, at the usual pace.
#[tokio::test(start_paused = true)]
async fn half_a_policy_raises_without_pauses_and_never_lowers() {
    let scene = Scene::new().await;
    scene.deploy("half", 3);
    scene.set("half", 300.0);
    let mut half = policy("half");
    let mut gone = half["spec"]["metrics"][0].clone();
    gone["name"] = "gone".into();
    gone["prometheus"]["query"] = "gone".into();
    half["spec"]["metrics"].as_array_mut().unwrap().push(gone);
    scene.apply(half);
    scene.pass(5 * 60).await;
    scene.set("half", 600.0);
    scene.pass(PERIOD).await;
    assert_eq!(scene.replicas("half"), 6, "a spike is answered within a period");
    let message = scene.expect("half", ("Ready", "False", "MetricUnavailable"));
    assert!(message.contains("metric gone: EmptyResult") && message.contains("nothing is lowered"), "{message}");
    scene.set("half", 100.0);
    scene.pass(10 * 60).await;
    assert_eq!(scene.replicas("half"), 6);
}

#[tokio::test(start_paused = true)]
async fn metric_types_of_a_newer_version_are_refused_with_their_field() {
    let mut sick = policy("sick");
    sick["spec"]["metrics"].as_array_mut().unwrap().push(json!({"type": "Kafka"}));
    let scene = check(Case {
        sick,
        conditions: &[("Ready", "False", "UnsupportedMetricType"), ("Stalled", "True", "UnsupportedMetricType")],
        says: &["spec.metrics[1].type", "does not know", "Prometheus"],
    })
    .await;
    assert_eq!(scene.probe.asked(&crate::scene::query("sick")).len(), 0, "an invalid policy asks nothing");
    scene.edit("sick", json!({"spec": {"metrics": policy("sick")["spec"]["metrics"]}})).await;
    recovers(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_annotations_are_refused_with_their_name() {
    for (annotation, value) in [("flyball.dev/paused", "yes"), ("flyball.dev/paused-replicas", "-4")] {
        let mut sick = policy("sick");
        sick["metadata"]["annotations"] = json!({annotation: value});
        let scene = check(Case {
            sick,
            conditions: &[("Ready", "False", "InvalidSpec"), ("Stalled", "True", "InvalidSpec")],
            says: &["metadata.annotations[flyball.dev/paused", value, "must be"],
        })
        .await;
        scene.edit("sick", json!({"metadata": {"annotations": {annotation: null}}})).await;
        recovers(&scene).await;
    }
}

/// What the schema refuses can still come from before the schema.
#[tokio::test(start_paused = true)]
async fn specs_that_slipped_past_the_schema_are_refused_one_by_one() {
    let min = with(policy("sick"), "/spec/minReplicas", 30);
    let scene = check(Case {
        sick: with(min, "/spec/pollingPeriodSeconds", 0),
        conditions: &[("Ready", "False", "InvalidSpec"), ("Stalled", "True", "InvalidSpec")],
        says: &[
            "spec.minReplicas: 30 is more than maxReplicas 20",
            "; spec.pollingPeriodSeconds: 0 is not within 1 to 3600",
        ],
    })
    .await;
    scene.edit("sick", json!({"spec": {"minReplicas": 1, "pollingPeriodSeconds": 15}})).await;
    recovers(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_disturbs_nobody() {
    let mut sick = policy("sick");
    sick["spec"]["maxReplicas"] = "many".into();
    let scene = scene_with(sick).await;
    neighbour_follows(&scene).await;
    assert_eq!(scene.replicas("sick"), 3);
    assert_eq!(scene.gauge("flyball_sync_errors_total{reason=\"Unreadable\"}"), Some(1.0));
    scene.edit("sick", json!({"spec": {"maxReplicas": 20}})).await;
    recovers(&scene).await;
    scene.edit("sick", json!({"spec": {"maxReplicas": "many"}})).await;
    scene.pass(1).await;
    assert_eq!(scene.gauge("flyball_replicas_current{namespace=\"shop\",name=\"sick\"}"), None, "its series are gone");
}

/// A condition never speaks of a spec that is no longer there.
#[tokio::test(start_paused = true)]
async fn a_mended_spec_leaves_no_trace_of_its_fault_even_where_the_target_is_missing() {
    let mut sick = target("apps/v1", "Deployment", "sicc");
    sick["spec"]["pollingPeriodSeconds"] = 0.into();
    let scene = scene_with(sick).await;
    scene.expect("sick", ("ScalingActive", "False", "InvalidSpec"));
    scene.edit("sick", json!({"spec": {"pollingPeriodSeconds": 15}})).await;
    scene.pass(1).await;
    scene.expect("sick", ("Ready", "False", "TargetNotFound"));
    scene.expect("sick", ("Stalled", "", ""));
    let (status, reason, message) = scene.condition("sick", "ScalingActive");
    assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "FailedGetScale"), "{message}");
}
