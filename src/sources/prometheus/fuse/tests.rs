//! Tables: query → shared text, query → reason, answers → members' answers.

use super::*;
use crate::sources::prometheus::decode::{Answer, decode_labelled};

fn template(promql: &str) -> Template {
    Template::of(promql).unwrap_or_else(|alone| panic!("{promql}: {alone}"))
}

/// The requests for `queries`.
fn fused(queries: &[&str], limits: FuseLimits) -> Vec<Fused> {
    let templates: Vec<Template> = queries.iter().map(|query| template(query)).collect();
    fuse(&templates.iter().collect::<Vec<_>>(), limits)
}

fn texts(queries: &[&str]) -> Vec<String> {
    fused(queries, FuseLimits::default()).iter().map(|request| request.promql.to_string()).collect()
}

/// `query` with `$` for `x`, and for `y`, shared.
fn shared(query: &str) -> String {
    let (x, y) = (query.replace('$', "x"), query.replace('$', "y"));
    let requests = fused(&[&x, &y], FuseLimits::default());
    assert_eq!(requests.len(), 1, "{query}: {requests:?}");
    requests[0].promql.to_string()
}

#[test]
fn a_shared_query_keeps_its_label_everywhere() {
    for (query, want) in [
        (r#"sum(rate(m{app="$"}[2m]))"#, r#"sum by (app) (rate(m{app=~"x|y"}[2m]))"#),
        (r#"m{app="$"}"#, r#"m{app=~"x|y"}"#),
        (r#"{__name__="m",app="$"}"#, r#"{__name__="m",app=~"x|y"}"#),
        (r#"sum by (pod) (m{app="$"})"#, r#"sum by (pod, app) (m{app=~"x|y"})"#),
        (r#"sum by (app) (m{app="$"})"#, r#"sum by (app) (m{app=~"x|y"})"#),
        (r#"sum without (pod) (m{app="$"})"#, r#"sum without (pod) (m{app=~"x|y"})"#),
        (r#"sum without (pod, app) (m{app="$"})"#, r#"sum without (pod) (m{app=~"x|y"})"#),
        (r#"max(sum by (pod) (m{app="$"}))"#, r#"max by (app) (sum by (pod, app) (m{app=~"x|y"}))"#),
        (r#"quantile(0.9, m{app="$"})"#, r#"quantile by (app) (0.9, m{app=~"x|y"})"#),
        (
            r#"histogram_quantile(0.95, sum by (le) (rate(b{app="$"}[5m])))"#,
            r#"histogram_quantile(0.95, sum by (le, app) (rate(b{app=~"x|y"}[5m])))"#,
        ),
        (
            r#"sum(rate(e{app="$"}[1m])) / sum(rate(r{app="$"}[1m])) * 100"#,
            r#"sum by (app) (rate(e{app=~"x|y"}[1m])) / sum by (app) (rate(r{app=~"x|y"}[1m])) * 100"#,
        ),
        (r#"a{app="$"} / on (pod) b{app="$"}"#, r#"a{app=~"x|y"} / on (pod, app) b{app=~"x|y"}"#),
        (r#"a{app="$"} > ignoring (app, q) b{app="$"}"#, r#"a{app=~"x|y"} > ignoring (q) b{app=~"x|y"}"#),
        (r#"a{app="$"} and b{app="$"}"#, r#"a{app=~"x|y"} and b{app=~"x|y"}"#),
        (r#"sum(a{app="$"}) or sum(b{app="$"})"#, r#"sum by (app) (a{app=~"x|y"}) or sum by (app) (b{app=~"x|y"})"#),
        (r#"time() - max(t{app="$"})"#, r#"time() - max by (app) (t{app=~"x|y"})"#),
        (r#"sum(m{app="$"} > bool 5)"#, r#"sum by (app) (m{app=~"x|y"} > bool 5)"#),
        (r#"-m{app="$"} ^ 2"#, r#"-m{app=~"x|y"} ^ 2"#),
        (
            r#"max_over_time(sum(m{app="$"})[1h:1m] offset -5m)"#,
            r#"max_over_time(sum by (app) (m{app=~"x|y"})[1h:1m] offset -5m)"#,
        ),
        (r#"m{app="$"} @ 1600000000 offset 90s"#, r#"m{app=~"x|y"} @ 1600000000.000 offset 1m30s"#),
        (r#"m{app="$"} @ end()"#, r#"m{app=~"x|y"} @ end()"#),
        // A label that only one side demands, or demands otherwise, belongs to the shape.
        (
            r#"sum(a{app="$",code="5"}) / sum(b{app="$"})"#,
            r#"sum by (app) (a{app=~"x|y",code="5"}) / sum by (app) (b{app=~"x|y"})"#,
        ),
        // So does one that the sides keep differently.
        (
            r#"sum by (job) (a{app="$",job="j"}) * sum by (pod) (b{app="$",job="j"})"#,
            r#"sum by (job, app) (a{app=~"x|y",job="j"}) * sum by (pod, app) (b{app=~"x|y",job="j"})"#,
        ),
        // The order of matchers, spaces and comments make no difference.
        (r#"SUM(m{app='$'}) BY (pod)"#, r#"sum by (pod, app) (m{app=~"x|y"})"#),
        ("sum( m{z=\"1\", app=\"$\"} ) # why", r#"sum by (app) (m{app=~"x|y",z="1"})"#),
    ] {
        assert_eq!(shared(query), want, "{query}");
    }
}

#[test]
fn what_is_not_proven_is_asked_alone() {
    for (query, reason) in [
        ("", "NotUnderstood"),
        ("sum(", "NotUnderstood"),
        ("holt_winters(m{app=\"x\"}[1m], 0.5, 0.5)", "NotUnderstood"),
        ("m * NaN{app=\"x\"}", "NotUnderstood"),
        (r#"sum(m{app="x"} * NaN)"#, "NotUnderstood"),
        ("1 + 1", "NoSharedLabel"),
        ("m", "NoSharedLabel"),
        (r#"m{app=""}"#, "NoSharedLabel"),
        (r#"m{app=~"x"}"#, "NoSharedLabel"),
        (r#"m{app="x",app!="y"}"#, "NoSharedLabel"),
        (r#"m{le="0.5"}"#, "NoSharedLabel"),
        (r#"sum(a{app="x"}) / sum(b{app="y"})"#, "NoSharedLabel"),
        (r#"sum(a{app="x"}) / sum(b)"#, "NoSharedLabel"),
        (r#"{app="x"}"#, "OpenMetricName"),
        (r#"{__name__=~"m",app="x"}"#, "OpenMetricName"),
        (r#"m{app="x"}[5m]"#, "NoVector"),
        (r#"a{app="x"} / sum(b{app="x"})"#, "UnequalSides"),
        (r#"a{app="x"} / on (app) sum(b{app="x"})"#, "UnequalSides"),
        (r#"sum by (app) (a{app="x"}) / sum(b{app="x"})"#, "UnequalSides"),
        (r#"a{app="x"} or on (pod) sum(b{app="x"})"#, "UnequalSides"),
        (r#"sum(m{app="x"}) or vector(0)"#, "Function"),
        (r#"absent(m{app="x"})"#, "Function"),
        (r#"absent_over_time(m{app="x"}[5m])"#, "Function"),
        (r#"scalar(m{app="x"})"#, "Function"),
        (r#"sort(m{app="x"})"#, "Function"),
        (r#"label_replace(m{app="x"}, "app", "$1", "pod", "(.*)")"#, "Function"),
        (r#"label_join(m{app="x"}, "app", "-", "pod")"#, "Function"),
        (r#"quantile_over_time(scalar(m{app="x"}), m{app="x"}[5m])"#, "Function"),
        (r#"histogram_quantile(scalar(m{app="x"}), b{app="x"})"#, "Function"),
        (r#"topk(3, m{app="x"})"#, "Aggregation"),
        (r#"bottomk(3, m{app="x"})"#, "Aggregation"),
        (r#"count_values("v", m{app="x"})"#, "Aggregation"),
        (r#"a{app="x"} * on (pod) group_left (team) b{app="x"}"#, "Operator"),
        (r#"a{app="x"} * on (pod) group_right b{app="x"}"#, "Operator"),
        (r#"sum(m{app="x"}) * 5m"#, "Spelling"),
        (r#"sum(m{app="x"}) * 010"#, "Spelling"),
        (r#"rate(m{app="x"}[300])"#, "Spelling"),
        (r#"rate(m{app="x"}[1e300])"#, "Spelling"),
        (r#"rate(m{app="x"}[1m99999999999s])"#, "Spelling"),
        (r#"m{app="x"} offset 5"#, "Spelling"),
        (r#"m{app="x"} offset -5"#, "Spelling"),
        (r#"{"m",app="x"}"#, "Spelling"),
        (r#"m{"app"="x"}"#, "Spelling"),
        (r#"sum by ("app") (m{app="x"})"#, "Spelling"),
        (r#"m{app="\xff"}"#, "Spelling"),
        (r#"m{app="\377"}"#, "Spelling"),
        ("m{app=`a\\b`}", "Spelling"),
        ("m{app=\"\u{fffd}\"}", "Spelling"),
        ("m{app=\"x\"}\u{b}", "Spelling"),
        ("m{app=\"x\"} + é", "Spelling"),
        (r#"m{app="x" or app="y"}"#, "Spelling"),
        (r#"m{app="\ufffd"}"#, "NoSharedLabel"),
        (r#"sum(m{inf="x"})"#, "NotUnderstood"),
    ] {
        assert_eq!(Template::of(query).map_err(|alone| alone.reason()).err(), Some(reason), "{query}");
    }
}

#[test]
fn deep_long_and_wide_queries_are_not_looked_into() {
    for query in [
        format!("{}m{{app=\"x\"}}{}", "(".repeat(33), ")".repeat(33)),
        "m{app=\"x\"}".to_owned() + &"+m{app=\"x\"}".repeat(200),
        "-".repeat(513) + "m{app=\"x\"}",
        format!("m{{app=\"{}\"}}", "x".repeat(MAX_QUERY_BYTES)),
    ] {
        assert_eq!(Template::of(&query), Err(Alone::TooLarge));
    }
    template(&format!("{}m{{app=\"x\"}}{}", "(".repeat(31), ")".repeat(31)));
    template(&("-".repeat(500) + "m{app=\"x\"}"));
}

#[test]
fn values_are_quoted_exactly() {
    for (value, in_query, want) in [
        ("a.b", "a.b", r"a\\.b"),
        ("a|b", "a|b", r"a\\|b"),
        ("{{x}}", "{{x}}", r"\\{\\{x\\}\\}"),
        ("\"", r#"\""#, r#"\""#),
        (r"\", r"\\", r"\\\\"),
        ("\n\r\t", r"\n\r\t", r"\n\r\t"),
        ("'`ü😀 #", "'`ü😀 #", "'`ü😀 #"),
        ("^$()[]*+?-", "^$()[]*+?-", r"\\^\\$\\(\\)\\[\\]\\*\\+\\?-"),
    ] {
        let query = format!("m{{app=\"{in_query}\"}}");
        assert_eq!(template(&query).values(), [value], "{query}");
        let text = texts(&[&query, r#"m{app="\u007f"}"#]).concat();
        assert!(
            [format!("{want}|\u{7f}"), format!("\u{7f}|{want}")]
                .iter()
                .any(|regex| text == format!("m{{app=~\"{regex}\"}}")),
            "{text}"
        );
    }
}

#[test]
fn one_member_is_asked_in_its_own_words() {
    let query = "sum( m{app='x'} ) # mine";
    let requests = fused(&[query, "sum(m{app=\"x\"})", "sum(n{app=\"x\"})"], FuseLimits::default());
    assert_eq!(requests.len(), 2);
    assert_eq!((&*requests[0].promql, requests[0].labels().len()), (query, 0));
    assert_eq!(requests[0].members()[0].templates(), [0, 1]);
    assert_eq!(requests[1].members()[0].templates(), [2]);
}

#[test]
fn labels_equal_among_all_stay_exact() {
    let queries: Vec<String> = ["a", "b"].iter().map(|app| format!("sum(m{{app=\"{app}\",ns=\"shop\"}})")).collect();
    let request = &fused(&[&queries[0], &queries[1]], FuseLimits::default())[0];
    assert_eq!(&*request.promql, r#"sum by (app) (m{app=~"a|b",ns="shop"})"#);
    assert_eq!(request.labels(), ["app"]);
    assert_eq!(template(&queries[0]).shape().as_str(), r#"sum(m{app="?",ns="?"})"#);
    assert_eq!(template(&queries[0]).shape(), template(&queries[1]).shape());
}

#[test]
fn pairs_of_labels_do_not_find_too_much() {
    let pair = |n: usize| format!("sum(m{{app=\"app-{n}\",ns=\"ns-{n}\"}})");
    let queries: Vec<String> = (0..6).map(pair).collect();
    let texts = texts(&queries.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        texts,
        [concat!(
            r#"(sum by (app, ns) (m{app=~"app-0|app-1|app-2|app-3",ns=~"ns-0|ns-1|ns-2|ns-3"})) or "#,
            r#"(sum by (app, ns) (m{app=~"app-4|app-5",ns=~"ns-4|ns-5"}))"#
        )]
    );
    // One namespace a part where the apps differ much: the label of few values leads.
    let queries: Vec<String> = (0..40).map(|n| format!("sum(m{{app=\"app-{n}\",ns=\"ns-{}\"}})", n / 20)).collect();
    let text = fused(&queries.iter().map(String::as_str).collect::<Vec<_>>(), FuseLimits::default());
    assert_eq!(text.len(), 1);
    assert!(text[0].promql.contains(r#"ns=~"ns-0|ns-1"}"#), "{}", text[0].promql);
}

#[test]
fn requests_stay_within_their_limits() {
    let name = |n: usize| {
        format!(
            "sum(rate(m{{app=\"an.app-{n}\",ns=\"{}\"}}[2m])) / sum(n{{app=\"an.app-{n}\",ns=\"{}\"}})",
            n / 3,
            n / 3
        )
    };
    let queries: Vec<String> = (0..700).map(name).collect();
    let templates: Vec<Template> = queries.iter().map(|query| template(query)).collect();
    for (query_bytes, members, most) in [(32 * 1024, 500, 8), (2048, 500, 120), (1 << 20, 10, 70), (0, 0, 700)] {
        let requests =
            fuse(&templates.iter().collect::<Vec<_>>(), FuseLimits { query_bytes, members, ..FuseLimits::default() });
        assert!(requests.len() <= most, "{} requests for {query_bytes} bytes and {members} members", requests.len());
        let mut seen: Vec<usize> = Vec::new();
        for request in &requests {
            let size = request.members().len();
            assert!(size == 1 || request.promql.len() <= query_bytes && size <= members, "{}", request.promql.len());
            seen.extend(request.members().iter().flat_map(Member::templates));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..700).collect::<Vec<_>>());
    }
    // The measure of the design: a thousand policies of one shape.
    let queries: Vec<String> = (0..1000).map(|n| format!("sum(rate(m{{app=\"a-{n}\",ns=\"ns-{n}\"}}[2m]))")).collect();
    assert!(fused(&queries.iter().map(String::as_str).collect::<Vec<_>>(), FuseLimits::default()).len() <= 10);
}

/// What `body` says to each member, as values, of `m{app=…}` for x and y, or with `ns` for (x, 1) and (y, 2).
fn split(queries: &[&str], series: &str) -> Result<Vec<Vec<f64>>, Stranger> {
    let request = fused(queries, FuseLimits::default()).remove(0);
    let body =
        format!(r#"{{"status":"success","warnings":["w"],"data":{{"resultType":"vector","result":[{series}]}}}}"#);
    let labels: Vec<&str> = request.labels().iter().map(String::as_str).collect();
    let answers = request.split(decode_labelled(body.as_bytes(), 100, &labels).unwrap())?;
    assert!(answers.iter().all(|answer| answer.warnings.texts == ["w"]));
    Ok(answers.iter().map(|Answer { points, .. }| points.iter().map(|point| point.value).collect()).collect())
}

#[test]
fn each_member_gets_its_series() {
    let one = [r#"m{app="x"}"#, r#"m{app="y"}"#];
    let two = [r#"m{app="x",ns="1"}"#, r#"m{app="y",ns="2"}"#];
    let series = |labels: &str, value: &str| format!(r#"{{"metric":{{{labels}}},"value":[1,"{value}"]}}"#);
    let x = series(r#""app":"x","pod":"p""#, "1");
    let y = series(r#""app":"y""#, "2");
    let more = series(r#""pod":"q","app":"x""#, "3");
    assert_eq!(split(&one, &[x.clone(), y, more].join(",")), Ok(vec![vec![1.0, 3.0], vec![2.0]]));
    assert_eq!(split(&one, ""), Ok(vec![vec![], vec![]]));
    assert_eq!(split(&one, &x), Ok(vec![vec![1.0], vec![]]));
    assert_eq!(split(&one, &series(r#""app":"z""#, "1")), Err(Stranger));
    assert_eq!(split(&one, &series("", "1")), Err(Stranger));
    assert_eq!(split(&one[..1], &series("", "1")), Ok(vec![vec![1.0]]), "one alone needs no label");
    let pair = |app: &str, ns: &str| series(&format!(r#""app":"{app}","ns":"{ns}""#), "1");
    assert_eq!(split(&two, &[pair("x", "1"), pair("x", "2")].join(",")), Ok(vec![vec![1.0], vec![]]));
    assert_eq!(split(&two, &pair("z", "1")), Err(Stranger));
    assert_eq!(split(&two, &x), Err(Stranger));
    assert_eq!(Stranger.reason(), "StrangeSeries");
}

proptest::proptest! {
    #[test]
    fn any_text_is_survived(text in ".{0,400}") {
        let _ = Template::of(&text).map(|template| fuse(&[&template], FuseLimits::default()));
    }

    #[test]
    fn any_words_are_survived(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "sum", "rate", "(", ")", "(", ")", "{", "}", "m", "app", "=", "=~", "\"x\"", "\"", "'", "`", "[", "]", "5m", "5", "1e9", ":", "by",
            "on", "offset", "@", "-", "+", "/", "or", "and", "#", "\n", "bool", ",", "0x", "Inf", "start", "\\", "é", "group_left", "fill", ">",
            "m{app=\"x\"}", "m{app=\"x\"}[5m]", "histogram_quantile", "time()",
        ]), 0..40), space in proptest::bool::ANY) {
        let text = words.join(if space { " " } else { "" });
        if let Ok(template) = Template::of(&text) {
            let requests = fuse(&[&template], FuseLimits::default());
            proptest::prop_assert_eq!(&*requests[0].promql, text.as_str());
            // A shape is the query of a member with other values.
            let again = Template::of(template.shape().as_str());
            proptest::prop_assert_eq!(again.as_ref().map(Template::shape), Ok(template.shape()));
        }
    }
}
