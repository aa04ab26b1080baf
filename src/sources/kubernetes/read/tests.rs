use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:10:00Z.
const AT: Timestamp = Timestamp::from_millis(1_767_226_200_000);

fn usage(resource: &str, container: Option<&str>) -> PodUsage {
    PodUsage { resource: resource.into(), container: container.map(Into::into) }
}

fn read_pods(body: &Value, usage: &PodUsage) -> Result<Vec<(String, i64, i64, i32)>, Absence> {
    match pod_usage(body.to_string().as_bytes(), usage, AT) {
        Ok(Reading::PerPod(samples)) => {
            let one =
                |s: &PodSample| (s.pod.to_string(), s.value.get(), AT.millis_since(s.at) / 1000, s.window_seconds);
            Ok(samples.as_slice().iter().map(one).collect())
        }
        Ok(other) => panic!("{other:?}"),
        Err(absent) => Err(absent.absence),
    }
}

fn pod(name: &str, timestamp: &str, containers: &Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "labels": {"a": "b"}}, "timestamp": timestamp,
        "window": "10.062s", "containers": containers,
    })
}

#[test]
fn usage_of_pods_is_summed_over_their_containers() {
    let two = json!([
        {"name": "main", "usage": {"cpu": "120m", "memory": "64Mi"}}, {"name": "log", "usage": {"cpu": "1500u"}},
    ]);
    let body = json!({"kind": "PodMetricsList", "items": [
        pod("b", "2026-01-01T00:09:30Z", &two),
        pod("a", "2026-01-01T00:09:45Z", &json!([{"name": "main", "usage": {"cpu": "9999n"}}])),
        pod("none", "2026-01-01T00:09:45Z", &json!([])),
        pod("old", "2026-01-01T00:04:59Z", &json!([{"name": "main", "usage": {"cpu": "1"}}])),
    ]});
    let all = read_pods(&body, &usage("cpu", None)).unwrap();
    assert_eq!(all, [("a".to_owned(), 1, 15, 11), ("b".to_owned(), 122, 30, 11)], "rounded up, and without the stale");
    assert_eq!(read_pods(&body, &usage("cpu", Some("log"))).unwrap(), [("b".to_owned(), 2, 30, 11)]);
    assert_eq!(read_pods(&body, &usage("memory", None)), Err(Absence::Empty), "one container lacks it");
    let memory = read_pods(&body, &usage("memory", Some("main"))).unwrap();
    assert_eq!(memory, [("b".to_owned(), 64 * 1024 * 1024 * 1000, 30, 11)]);
}

#[test]
fn nothing_old_or_broken_usage_is_no_reading() {
    assert_eq!(read_pods(&json!({"items": null}), &usage("cpu", None)), Err(Absence::Empty));
    assert_eq!(read_pods(&json!([1]), &usage("cpu", None)), Err(Absence::Malformed));
    let old = pod("old", "2026-01-01T00:00:00Z", &json!([{"name": "main", "usage": {"cpu": "1"}}]));
    assert_eq!(read_pods(&json!({"items": [old]}), &usage("cpu", None)), Err(Absence::Stale));
    let odd = pod("odd", "2026-01-01T00:09:45Z", &json!([{"name": "main", "usage": {"cpu": "much"}}]));
    assert_eq!(read_pods(&json!({"items": [odd]}), &usage("cpu", None)), Err(Absence::Empty));
}

fn values(items: &Value) -> Vec<u8> {
    json!({"kind": "MetricValueList", "items": items}).to_string().into_bytes()
}

#[test]
fn metrics_of_pods_of_either_version() {
    let items = json!([
        {"describedObject": {"kind": "Pod", "name": "a"}, "metric": {"name": "qps"}, "timestamp": "2026-01-01T00:09:59Z", "value": "10"},
        {"describedObject": {"kind": "Pod", "name": "b"}, "metricName": "qps", "timestamp": null, "windowSeconds": 30, "value": "500m"},
    ]);
    let Ok(Reading::PerPod(samples)) = pod_metric(&values(&items), AT) else { panic!("no samples") };
    let seen: Vec<_> = samples.as_slice().iter().map(|s| (&*s.pod, s.value.get(), s.window_seconds)).collect();
    assert_eq!(seen, [("a", 10_000, 60), ("b", 500, 30)]);
}

#[test]
fn external_values_are_summed_and_old_ones_cannot_lower() {
    let at = |time: &str, value: &str| json!({"metricName": "queue", "timestamp": time, "value": value});
    let fresh = at("2026-01-01T00:09:30Z", "1500m");
    let reading = external_metric(&values(&json!([fresh, fresh, at("2026-01-01T00:10:30Z", "2")])), AT).unwrap();
    let expected = Sample { value: Milli::new(5_000), series: 3, age_millis: Some(30_000) };
    assert_eq!(reading, Reading::Complete(expected));
    let reading = external_metric(&values(&json!([fresh, at("2026-01-01T00:00:00Z", "2")])), AT).unwrap();
    assert!(matches!(reading, Reading::Partial(sample, _) if sample.value.get() == 3_500), "{reading:?}");
    let huge = at("2026-01-01T00:09:30Z", "9E");
    let Ok(Reading::Complete(sum)) = external_metric(&values(&json!([huge, huge])), AT) else { panic!("no sum") };
    assert_eq!(sum.value, Milli::MAX);
    for (items, absence) in
        [(json!([]), Absence::Empty), (json!([at("2026-01-01T00:09:30Z", "x")]), Absence::Malformed)]
    {
        assert_eq!(external_metric(&values(&items), AT).unwrap_err().absence, absence);
    }
    assert_eq!(object_metric(&values(&json!([fresh, fresh])), AT).unwrap_err().absence, Absence::TooManySeries);
    assert!(object_metric(&values(&json!([fresh])), AT).is_ok());
}

#[test]
fn windows_in_the_notation_of_go() {
    for (text, seconds) in
        [("30s", Some(30)), ("1m0s", Some(60)), ("10.062s", Some(11)), ("500ms", Some(1)), ("1h1m1s", Some(3661))]
    {
        assert_eq!(whole_seconds(text), seconds, "{text}");
    }
    for text in ["30", "s", "1d", "1.2.3s", "-5s"] {
        assert_eq!(whole_seconds(text), None, "{text}");
    }
}
