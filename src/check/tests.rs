use serde_json::json;

use super::*;

fn policy(query: &str, target: &Value) -> Value {
    json!({
        "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 10,
            "metrics": [{"type": "Prometheus", "prometheus": {"query": query, "target": target}}],
        },
    })
}

fn average(amount: &str) -> Value {
    json!({"type": "AverageValue", "averageValue": amount})
}

fn value(amount: &str) -> Value {
    json!({"type": "Value", "value": amount})
}

/// Level and code of each finding, and the text that it points to.
fn told(query: &str, target: &Value) -> Vec<String> {
    let findings = check(&policy(query, target), &Assumptions::default());
    let one = |finding: &Finding| {
        let at = finding.place.as_ref().map(|place| {
            let marked: String = place.text.chars().skip(place.column - 1).take(place.length).collect();
            format!(" {}:{} {marked}", place.line, place.column)
        });
        format!("{} {}{}", finding.level.as_str(), finding.code, at.unwrap_or_default())
    };
    findings.iter().map(one).collect()
}

#[test]
fn what_people_should_write_is_clean() {
    for (query, target) in [
        (r#"sum(rate(http_requests_total{namespace="{{namespace}}", app="{{name}}"}[2m]))"#, average("100")),
        (r#"sum(rate(http_requests_total{pod=~"{{name}}-.*"}[2m]))"#, average("100")),
        (
            r#"histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{app="web"}[5m])))"#,
            value("250m"),
        ),
        (r#"sum(rate(s_seconds_sum[5m])) / (sum(rate(s_seconds_count[5m])) > 0)"#, value("250m")),
        (r#"sum(rate(e_total{code=~"5.."}[5m])) / (sum(rate(e_total[5m])) > 0)"#, value("10m")),
        ("avg(busy_ratio)", value("700m")),
        ("max(queue_messages_ready)", average("30")),
        ("sum(rate(nginx_ingress_controller_requests{ingress=\"web\"}[2m]))", average("30")),
        ("sum(rate(envoy_cluster_upstream_rq_xx[2m]))", average("30")),
        ("100 * (1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[5m])))", value("70")),
        ("time() - max(job_last_success_timestamp_seconds)", value("300")),
        ("sum(label_replace(rate(a_total[2m]), \"b\", \"$1\", \"c\", \"(a_total).*\"))", average("30")),
        ("sum(rate(a_total[2m] offset 1m)) unless on () maintenance_total", average("30")),
        ("max_over_time(sum(rate(a_total[1m]))[10m:1m])", average("30")),
        ("sum(predict_linear(queue_depth{queue=\"mail\"}[10m], 300)) and on () count(a_total)", average("30")),
        ("sum(container_memory_working_set_bytes)", average("500Mi")),
        ("sum(rate(container_cpu_usage_seconds_total[2m]))", average("1")),
        ("sum(increase(jobs_total[10m]))", average("5")),
        ("sum(http_requests_total - http_requests_total offset 5m)", average("5")),
        ("count(http_requests_total)", average("5")),
        ("sum(job:requests:rate5m)", average("5")),
        ("sum(rate(job:requests:sum[5m]))", average("5")),
        ("max(max_over_time(queue_depth[30s]))", average("5")),
        ("sum(queue_depth) or sum(other_depth)", average("5")),
        ("42", average("5")),
        ("vector(42)", average("5")),
    ] {
        assert_eq!(told(query, &target), Vec::<String>::new(), "{query}");
    }
}

#[test]
fn parts_of_a_query_are_told_with_their_place() {
    let ok = "sum(rate(a_total[2m]))";
    for (query, expected) in [
        ("sum(rate(queue_depth[2m]))", vec!["warning rate-of-gauge 1:5 rate"]),
        (
            "sum(increase(queue_depth[2m]) + irate(temperature[5m]))",
            vec!["warning rate-of-gauge 1:5 increase", "warning rate-of-gauge 1:33 irate"],
        ),
        (r#"sum(rate({__name__="depth", a="rate"}[2m]))"#, vec!["warning rate-of-gauge 1:5 rate"]),
        ("sum(deriv(a_total[5m]))", vec!["warning delta-of-counter 1:5 deriv"]),
        ("sum(http_requests_total)", vec!["warning counter-without-rate 1:5 http_requests_total"]),
        ("sum(max_over_time(http_requests_total[5m]))", vec!["warning counter-without-rate 1:19 http_requests_total"]),
        ("sum(rate(a_total[2m])) + sum(a_total)", vec!["warning counter-without-rate 1:30 a_total"]),
        (
            "# rate a_total\nsum by (a_total) (\n  a_total{a_total=\"a_total\"}\n)",
            vec!["warning counter-without-rate 3:3 a_total", "note many-series"],
        ),
        ("max(max_over_time(sum(a_total)[10m:1m]))", vec!["warning counter-without-rate 1:23 a_total"]),
        ("sum(rate(sum(a_total)[10m:1m]))", vec!["warning rate-of-sum 1:5 rate"]),
        ("sum(rate(a_total[30s]))", vec!["warning window-too-short 1:17 [30s]"]),
        ("sum(rate(a_total{b=\"[30s]\"}[59s]))", vec!["warning window-too-short 1:28 [59s]"]),
        ("sum(rate(a_total[1m]))", vec![]),
        ("max(max_over_time(depth[10s]))", vec!["warning window-too-short 1:24 [10s]"]),
        ("sum(rate(a_total[2m])) or vector(0)", vec!["warning outage-as-load 1:24 or"]),
        ("sum(rate(a_total[2m])) OR ON() (vector(5))", vec!["warning outage-as-load 1:24 OR"]),
        ("sum(rate(a_total[2m]) or vector(0))", vec!["warning outage-as-load 1:23 or"]),
        ("histogram_quantile(0.9, sum(rate(a_bucket[5m])))", vec!["error quantile-without-le 1:1 histogram_quantile"]),
        (
            "histogram_quantile(0.9, sum without (le) (rate(a_bucket[5m])))",
            vec!["error quantile-without-le 1:1 histogram_quantile", "warning adds-averages"],
        ),
    ] {
        let found: Vec<_> =
            told(query, &average("5")).into_iter().filter(|it| !it.ends_with("divided-twice")).collect();
        assert_eq!(found, expected, "{query}");
    }
    let ratio = format!("{ok} / {ok}");
    assert_eq!(told(&ratio, &value("5")), ["note division-by-zero 1:24 /"]);
    assert_eq!(told(&format!("{ok} / clamp_min({ok}, 1)"), &value("5")), Vec::<String>::new());
    assert_eq!(told("max(depth) / 100", &value("5")), Vec::<String>::new());
}

#[test]
fn the_whole_is_held_against_its_target() {
    let quantile = "histogram_quantile(0.9, sum by (le) (rate(a_seconds_bucket[5m])))";
    let mean = "sum(rate(a_seconds_sum[5m])) / (sum(rate(a_seconds_count[5m])) > 0)";
    for (query, target, expected) in [
        ("queue_depth", average("5"), vec!["note many-series"]),
        ("sum by (queue) (queue_depth)", average("5"), vec!["note many-series"]),
        ("topk(3, queue_depth)", average("5"), vec!["note many-series"]),
        ("avg by (pod) (busy)", value("5"), vec!["warning adds-averages"]),
        ("rate(a_total[5m]) / (rate(b_total[5m]) > 0)", value("5"), vec!["warning adds-averages"]),
        ("histogram_quantile(0.9, sum by (le, pod) (rate(a_bucket[5m])))", value("5"), vec!["warning adds-averages"]),
        ("histogram_quantile(0.9, rate(a_bucket[5m]))", value("5"), vec!["warning adds-averages"]),
        (quantile, average("1"), vec!["warning latency-divided"]),
        (mean, average("1"), vec!["warning latency-divided"]),
        ("max(job_age_seconds)", average("1"), vec!["warning latency-divided"]),
        ("sum(job_age_seconds)", average("1"), vec![]),
        ("avg(busy)", average("1"), vec!["warning divided-twice"]),
        ("100 * sum(busy) / 7", average("1"), vec![]),
        ("sum(busy) / (count(busy) > 0)", average("1"), vec!["warning divided-twice"]),
        ("sum(rate(a_total[5m]))", value("5"), vec!["warning total-against-value"]),
        ("round(sum(depth) > 5)", value("5"), vec!["warning total-against-value"]),
        ("sum(memory_bytes)", average("500000000"), vec!["warning bytes-without-suffix"]),
        ("sum(rate(sent_bytes_total[5m]))", average("50"), vec!["warning bytes-without-suffix"]),
        ("sum(rate(sent_bytes_total[5m]))", average("50M"), vec![]),
        ("sum(memory_bytes) / 1024", average("50"), vec![]),
        ("sum(used_bytes) / (sum(size_bytes) > 0)", value("1"), vec![]),
    ] {
        assert_eq!(told(query, &target), expected, "{query}");
    }
    let mut sole = policy("queue_depth", &average("5"));
    sole["spec"]["metrics"][0]["prometheus"]["series"] = json!("ExactlyOne");
    assert_eq!(check(&sole, &Assumptions::default()), []);
}

#[test]
fn what_cannot_be_read_is_told_where_it_breaks() {
    for (query, expected) in [
        ("sum(rate(a_total[2m])", "error parse-error 1:4 ("),
        ("sum(rate(a_total[2m])))", "error parse-error 1:23 )"),
        ("sum(\n  rate(a_total{b=\"c\"[2m]))", "error parse-error 2:15 {"),
        ("sum(a{b=\"c})", "error parse-error 1:6 {"),
        ("sum(up) + \"c", "error parse-error 1:11 \""),
        ("sum(rat(a_total[2m]))", "error parse-error"),
        ("sum(rate(up))", "error parse-error 1:5 rate"),
        ("sum up", "error parse-error 1:5 up"),
        ("sum by app (up)", "error parse-error 1:8 app"),
        ("sum(up) +", "error parse-error 1:9 +"),
        ("sum(up) + / max(up)", "error parse-error 1:11 /"),
        ("sum(up) max(up)", "error parse-error 1:9 max"),
        ("sum(rate(up[5m]) by (a)) b", "error parse-error 1:18 by"),
        ("histogram_quantile(0.9, sum(up) by le)", "error parse-error 1:36 le"),
        ("sum(up{a=b})", "error parse-error 1:7 {a=b}"),
        ("up{a=\"b\"} and (up) up", "error parse-error 1:20 up"),
        ("rat(up) up", "error parse-error 1:9 up"),
        ("sum(rate(up[$__rate_interval]))", "error parse-error 1:12 [$__rate_interval]"),
        ("a_total[5m]", "error no-instant-vector"),
        ("\"a\"", "error no-instant-vector"),
        ("sum(rate(a_total[120]))", "warning not-checked"),
    ] {
        let found = told(query, &average("5"));
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        assert!(found[0].starts_with(expected), "{query}: {found:?}");
    }
    let deep = format!("{}up{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(told(&deep, &average("5")), ["warning not-checked"]);
}

/// Field, code and message of each finding.
fn at_fields(object: &Value) -> Vec<String> {
    let findings = check(object, &Assumptions::default());
    findings.iter().map(|it| format!("{} {}: {} {}", it.field, it.code, it.message, it.mend)).collect()
}

#[test]
fn everything_wrong_with_a_manifest_is_told_at_once() {
    let mut object = policy("sum(queue_depth)", &json!({"type": "Averagevalue", "averageValue": 5}));
    object["spec"]["maxReplica"] = json!(5);
    object["spec"]["minReplicas"] = json!("2");
    object["spec"]["metrics"][0]["prometheus"]["onmissing"] = json!("Zero");
    object["spec"]["behavior"] = json!({"scaleDown": {"policies": [{"type": "Pods", "value": 1}]}});
    object["metadata"]["name"] = Value::Null;
    object["sepc"] = json!({});
    let expected = [
        "metadata.name missing-field: is missing Write the name of the policy.",
        "sepc unknown-field: is no field of a ScalingPolicy Did you mean spec?",
        "spec.behavior.scaleDown.policies[0].periodSeconds missing-field: is missing Write it: it has no default.",
        "spec.maxReplica unknown-field: is no field of a ScalingPolicy Did you mean maxReplicas?",
        "spec.metrics[0].prometheus.onmissing unknown-field: is no field of a ScalingPolicy Did you mean onMissing?",
        "spec.metrics[0].prometheus.target.type unknown-word: \"Averagevalue\" is not one of its words Write Utilization, Value or AverageValue.",
        "spec.minReplicas wrong-type: \"2\" is no integer Write an integer.",
    ];
    assert_eq!(at_fields(&object), expected);
    object["spec"] = Value::Null;
    assert_eq!(at_fields(&object).last().unwrap(), "spec missing-field: is missing Write it: it has no default.");
    object["apiVersion"] = json!("flyball.dev/v2");
    assert_eq!(
        at_fields(&object),
        [
            "apiVersion unknown-version: \"flyball.dev/v2\" is not a version that this Flyball knows Write flyball.dev/v1alpha1."
        ]
    );
}

#[test]
fn what_resolving_refuses_comes_with_what_the_queries_say() {
    let mut object = policy("sum(a_total)", &average("5"));
    object["spec"]["minReplicas"] = json!(11);
    assert_eq!(
        at_fields(&object),
        [
            "spec.minReplicas invalid-spec: 11 is more than maxReplicas 10: lower minReplicas, or raise maxReplicas ",
            "spec.metrics[0].prometheus.query counter-without-rate: a_total is by its name a counter, which only grows: replicas would grow with it and never come back Ask for its rate: rate(a_total{…}[2m]).",
        ]
    );
    let wrong = at_fields(&policy(r#"sum(up{a="{{nmae}}"})"#, &average("5")));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("spec.metrics[0].prometheus.query invalid-spec: {{nmae}} is no word"), "{wrong:?}");
    let mut elsewhere = policy(r#"sum(up{a="{{namespace}}"})"#, &average("5"));
    elsewhere["metadata"]["namespace"] = Value::Null;
    assert_eq!(at_fields(&elsewhere), Vec::<String>::new(), "kubectl apply -n fills it in");
}

#[test]
fn sharing_is_told_on_request() {
    let assumptions = Assumptions { sharing: true, ..Assumptions::default() };
    let of = |query: &str| check(&policy(query, &average("5")), &assumptions).remove(0).message;
    assert_eq!(
        of(r#"sum(rate(a_total{ns="{{namespace}}",app="{{name}}"}[2m]))"#),
        "shares a request with every query that differs in the value of app and ns only"
    );
    assert_eq!(
        of("sum(rate(a_total[2m]))"),
        "is asked alone (NoSharedLabel): No label is demanded, with = and the same value, by every selector"
    );
}

#[test]
fn a_scrape_interval_is_an_assumption() {
    let assumptions = Assumptions { scrape_interval: Duration::from_secs(60), ..Assumptions::default() };
    let findings = check(&policy("sum(rate(a_total[1m]))", &average("5")), &assumptions);
    let expected = "a window of 1m does not always hold the two samples that rate() needs, with one scrape every 1m (--scrape-interval)";
    assert_eq!(findings[0].message, expected);
    assert_eq!(findings[0].mend, "Write [4m] or more: room for a scrape that fails.");
}

#[test]
fn a_finding_is_drawn_with_its_line() {
    let object = policy("sum(\n  a_total{x=\"ü\"} or\n\tvector(0))", &average("5"));
    let report = Report {
        file: "web.yaml".into(),
        title: "ScalingPolicy shop/web".into(),
        findings: check(&object, &Assumptions::default()),
    };
    let drawn = text(&report, Level::Note);
    let begins = "warning[counter-without-rate]: a_total is by its name a counter, which only grows: replicas would grow with it and never come back\n  \
        --> web.yaml: ScalingPolicy shop/web: spec.metrics[0].prometheus.query, line 2, column 3\n  \
        2 |   a_total{x=\"ü\"} or\n    \
          |   ^^^^^^^\n  \
        Ask for its rate: rate(a_total{…}[2m]).\n\n\
        warning[outage-as-load]: a constant";
    assert!(drawn.starts_with(begins), "{drawn}");
    assert!(drawn.contains("\n    |                  ^^\n"), "{drawn}");
    assert_eq!(text(&report, Level::Error), "");
    let objects = json(&report, Level::Note);
    assert_eq!(objects[0]["code"], "counter-without-rate");
    assert_eq!(objects[0]["level"], "warning");
    assert_eq!(objects[0]["place"], json!({"line": 2, "column": 3, "length": 7, "text": "  a_total{x=\"ü\"} or"}));
    let long = policy(&format!("sum({} + a_total{})", "b + ".repeat(100), " + c".repeat(100)), &average("5"));
    let report = Report { findings: check(&long, &Assumptions::default()), ..report };
    let drawn = text(&report, Level::Note);
    let lines: Vec<Vec<char>> = drawn.lines().skip(2).take(2).map(|line| line.chars().collect()).collect();
    let caret = lines[1].iter().position(|c| *c == '^').unwrap();
    assert_eq!(lines[0][caret..caret + 7].iter().collect::<String>(), "a_total", "{drawn}");
    assert!(lines[0].len() < 120, "{drawn}");
}

/// Pieces that queries, and what is no query, are made of.
const PIECES: [&str; 34] = [
    "sum",
    "rate",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[5m]",
    "\"",
    "'",
    "`",
    "\\",
    "a_total",
    "b_bytes",
    "by",
    "(le)",
    "or",
    "vector(0)",
    "/",
    "==",
    "=",
    "!",
    "#",
    "\n",
    "\r",
    "é",
    "{{name}}",
    "{{",
    "1.5e",
    "histogram_quantile(0.9, ",
    ",",
    " ",
    "offset",
];

proptest::proptest! {
    /// Whatever stands in a query gets an answer, and every place is within its line.
    #[test]
    fn no_text_is_too_strange(parts in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24), any in ".{0,12}") {
        for query in [parts.concat(), format!("sum(rate(a_total{{b=\"{}\"}}[5m]))", parts.concat()), any] {
            let report = Report {
                file: String::new(),
                title: String::new(),
                findings: check(&policy(&query, &average("5")), &Assumptions { sharing: true, ..Assumptions::default() }),
            };
            for place in report.findings.iter().filter_map(|finding| finding.place.as_ref()) {
                let line = query.split('\n').nth(place.line - 1).unwrap_or_default();
                proptest::prop_assert_eq!(line.trim_end_matches('\r'), &place.text);
                proptest::prop_assert!(place.column >= 1 && place.column <= line.chars().count().max(1), "{:?}", place);
            }
            proptest::prop_assert_eq!(text(&report, Level::Note).is_empty(), report.findings.is_empty());
        }
    }
}
