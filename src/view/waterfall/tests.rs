//! Waterfalls of hand-made decisions, one per limiter, as a user reads them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::quantity::Quantity;
use crate::api::status::{MetricProposal, RateLimitRecord, StabilizationHold};

fn time(text: &str) -> Time {
    Time(text.parse().unwrap())
}

/// What one metric proposed: `value` against 100 per replica.
pub(crate) fn proposal(name: &str, value: Option<&str>, replicas: Option<i32>) -> MetricProposal {
    MetricProposal {
        name: name.into(),
        target_type: "AverageValue".into(),
        target: Quantity("100".into()),
        value: value.map(|value| Quantity(value.into())),
        ratio: None,
        tolerance: Some("0.1".into()),
        replicas,
        series: None,
        pods: None,
        reason: None,
        message: None,
        counted_as: None,
        failing: None,
    }
}

/// A decision from `current` to `desired` with bounds 2 to 8 and one metric.
pub(crate) fn decision(current: i32, desired: i32, limited_by: &[&str]) -> LastDecision {
    let direction = match desired.cmp(&current) {
        std::cmp::Ordering::Greater => "Up",
        std::cmp::Ordering::Less => "Down",
        std::cmp::Ordering::Equal => "None",
    };
    LastDecision {
        time: time("2026-03-01T14:02:10Z"),
        direction: direction.into(),
        message: "because".into(),
        current_replicas: current,
        min_replicas: 2,
        max_replicas: 8,
        recommended_replicas: None,
        stabilized_replicas: None,
        desired_replicas: desired,
        metric_name: Some("http_rps".into()),
        limited_by: limited_by.iter().map(|&word| word.to_owned()).collect(),
        proposals: vec![proposal("http_rps", Some("1224"), Some(13))],
        stabilization: None,
        rate_limit: None,
    }
}

fn limit(direction: &str, replicas: i32, policy: Option<&str>) -> Option<RateLimitRecord> {
    Some(RateLimitRecord {
        direction: direction.into(),
        replicas,
        select_policy: "Max".into(),
        policy: policy.map(Into::into),
    })
}

fn drawn(decision: &LastDecision) -> String {
    let text = waterfall(&subject(), decision, Style::default());
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    text
}

fn subject() -> Subject {
    Subject { name: "shop/web".into(), target: "Deployment/web".into() }
}

fn rising() -> LastDecision {
    let mut made = decision(6, 8, &["MaxReplicas"]);
    made.proposals[0].ratio = Some("2.04".into());
    made.proposals.push(proposal("queue", Some("41500m"), Some(5)));
    made.recommended_replicas = Some(13);
    made.stabilized_replicas = Some(13);
    made.rate_limit = limit("Up", 10, Some("4 Pods in 15 s"));
    made
}

fn falling(limited_by: &[&str]) -> LastDecision {
    let mut made = decision(8, 8, limited_by);
    made.proposals = vec![proposal("http_rps", Some("290500m"), Some(3))];
    made.recommended_replicas = Some(3);
    made.stabilized_replicas = Some(3);
    made
}

fn hold(direction: &str, seconds: i32, until: Option<&str>) -> Option<StabilizationHold> {
    Some(StabilizationHold { direction: direction.into(), window_seconds: seconds, until: until.map(time) })
}

fn all() -> Vec<(&'static str, LastDecision)> {
    let mut cases = vec![("max", rising())];
    let mut made = rising();
    (made.max_replicas, made.desired_replicas, made.limited_by) = (20, 10, vec!["ScaleUpPolicy".into()]);
    cases.push(("up", made));
    let mut made = rising();
    (made.proposals, made.rate_limit) = (vec![proposal("http_rps", Some("1224"), Some(13))], limit("Up", 12, None));
    (made.max_replicas, made.desired_replicas, made.limited_by) = (20, 12, vec!["ScaleUpPolicy".into()]);
    cases.push(("growth", made));
    let mut made = falling(&["StabilizationWindow"]);
    made.stabilized_replicas = Some(8);
    made.stabilization = hold("Down", 300, Some("2026-03-01T14:03:20Z"));
    cases.push(("window", made.clone()));
    made.stabilization = hold("Down", 300, None);
    cases.push(("seeding", made));
    let mut made = falling(&["ScaleDownPolicy"]);
    (made.direction, made.desired_replicas) = ("Down".into(), 6);
    made.rate_limit = limit("Down", 6, Some("25 Percent in 60 s"));
    cases.push(("down", made));
    let mut made = falling(&["ScaleDownPolicy"]);
    made.rate_limit =
        Some(RateLimitRecord { direction: "Down".into(), replicas: 8, select_policy: "Disabled".into(), policy: None });
    cases.push(("disabled down", made));
    let mut made = decision(3, 2, &["MinReplicas"]);
    made.proposals = vec![proposal("http_rps", Some("80"), Some(1))];
    (made.recommended_replicas, made.stabilized_replicas) = (Some(1), Some(1));
    cases.push(("min", made));
    let mut made = decision(6, 6, &["Tolerance"]);
    made.proposals = vec![proposal("http_rps", Some("624"), Some(6))];
    made.proposals[0].ratio = Some("1.04".into());
    (made.recommended_replicas, made.stabilized_replicas) = (Some(6), Some(6));
    cases.push(("tolerance", made));
    let mut made = decision(6, 6, &["MetricUnavailable"]);
    made.proposals = vec![proposal("http_rps", None, None)];
    made.proposals[0].reason = Some("EmptyResult".into());
    made.proposals[0].message = Some("the query returned no series; does the app export http_requests_total?".into());
    cases.push(("missing", made.clone()));
    made.proposals.push(proposal("queue", Some("300"), Some(3)));
    (made.recommended_replicas, made.stabilized_replicas, made.metric_name) = (Some(6), Some(6), Some("queue".into()));
    cases.push(("one of two missing", made));
    let mut made = decision(6, 6, &["PartialData"]);
    made.proposals = vec![proposal("http_rps", Some("300"), Some(3))];
    (made.proposals[0].reason, made.proposals[0].series) = (Some("PartialData".into()), Some(3));
    made.proposals[0].message = Some("Prometheus warned: one store did not answer".into());
    (made.recommended_replicas, made.stabilized_replicas) = (Some(6), Some(6));
    cases.push(("partial", made));
    let bare = |current, desired, word: &str| LastDecision {
        proposals: vec![],
        metric_name: None,
        ..decision(current, desired, &[word])
    };
    cases.push(("off", bare(0, 0, "ScalingDisabled")));
    cases.push(("paused", bare(6, 6, "Paused")));
    cases.push(("paused at", bare(6, 4, "Paused")));
    cases.push(("above", bare(12, 8, "MaxReplicas")));
    cases.push(("below", bare(1, 2, "MinReplicas")));
    let mut made = rising();
    (made.max_replicas, made.desired_replicas, made.limited_by, made.rate_limit) =
        (20, 13, vec!["DryRun".into()], None);
    cases.push(("dry", made.clone()));
    made.limited_by = vec![];
    cases.push(("free", made));
    cases
}

#[test]
fn each_limiter_reads_as_it_should() {
    let cases = all();
    assert_eq!(cases.len(), GOLDEN.len());
    for ((name, made), (golden_name, golden)) in cases.iter().zip(GOLDEN) {
        let text = drawn(made);
        assert_eq!((name, text.as_str()), (golden_name, *golden), "\n--- drawn: {name} ---\n{text}");
    }
}

#[test]
fn colour_adds_nothing_but_escapes() {
    let coloured = waterfall(&subject(), &rising(), Style { colour: true });
    assert!(coloured.contains("\u{1b}[33m"));
    let mut bare = coloured;
    for code in ["0", "1", "2", "31", "33"] {
        bare = bare.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(bare, drawn(&rising()));
}

#[test]
fn foreign_text_cannot_drive_the_terminal() {
    let mut made = decision(6, 6, &["MetricUnavailable"]);
    made.proposals = vec![proposal("a\u{1b}[2Jb", None, None)];
    made.proposals[0].message = Some("x\u{9b}31m\n\u{202e}y".into());
    let evil = Subject { name: "s\u{7}/w".into(), target: "D\u{8}/w".into() };
    let text = waterfall(&evil, &made, Style::default());
    assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
}

#[test]
fn extreme_numbers_do_not_panic() {
    for (name, mut made) in all() {
        for extreme in [i32::MIN, -1, 0, i32::MAX] {
            (made.min_replicas, made.max_replicas, made.current_replicas) = (extreme, extreme, extreme);
            made.recommended_replicas = made.recommended_replicas.map(|_| extreme);
            assert!(!waterfall(&subject(), &made, Style::default()).is_empty(), "{name}");
            made.min_replicas = i32::MAX;
            assert!(!waterfall(&subject(), &made, Style::default()).is_empty(), "{name}");
        }
    }
}

/// What a user reads, case by case.
const GOLDEN: &[(&str, &str)] = &[
    (
        "max",
        "\
shop/web  2026-03-01 14:02:10Z                                            6 → 8
  http_rps: 1224 against a target of 100 per replica, ratio 2.04             13
  queue: 41.5 against a target of 100 per replica                             5
  highest of 2 metrics: http_rps                                             13
  behavior.scaleUp: 4 Pods in 15 s, so at most 10        → ScaleUpPolicy     10
  maxReplicas 8                                            → MaxReplicas      8
  applied to Deployment/web                                                   8
  To lift: raise maxReplicas above 8 (10 now, 13 without the scaleUp policy).
",
    ),
    (
        "up",
        "\
shop/web  2026-03-01 14:02:10Z                                           6 → 10
  http_rps: 1224 against a target of 100 per replica, ratio 2.04             13
  queue: 41.5 against a target of 100 per replica                             5
  highest of 2 metrics: http_rps                                             13
  behavior.scaleUp: 4 Pods in 15 s, so at most 10        → ScaleUpPolicy     10
  applied to Deployment/web                                                  10
  To lift: loosen behavior.scaleUp.policies (13 would be applied now).
",
    ),
    (
        "growth",
        "\
shop/web  2026-03-01 14:02:10Z                                           6 → 12
  http_rps: 1224 against a target of 100 per replica                         13
  without behavior one step at most doubles the size     → ScaleUpPolicy     12
    or reaches 4, so at most 12
  applied to Deployment/web                                                  12
  To lift: set behavior.scaleUp policies (13 would be applied now).
",
    ),
    (
        "window",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 8
  http_rps: 290.5 against a target of 100 per replica                         3
  scaleDown window of 300 s: holds 8 until         → StabilizationWindow      8
    14:03:20Z
  held: Deployment/web stays as it is                                         8
  Waiting: holds 8 until 14:03:20Z; metrics ask for 3.
",
    ),
    (
        "seeding",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 8
  http_rps: 290.5 against a target of 100 per replica                         3
  scaleDown window of 300 s: holds 8               → StabilizationWindow      8
  held: Deployment/web stays as it is                                         8
  Waiting: holds 8 until a whole window of 300 s was seen; metrics ask for 3.
",
    ),
    (
        "down",
        "\
shop/web  2026-03-01 14:02:10Z                                            8 → 6
  http_rps: 290.5 against a target of 100 per replica                         3
  behavior.scaleDown: 25 Percent in 60 s, so at        → ScaleDownPolicy      6
    least 6
  applied to Deployment/web                                                   6
  To lift: loosen behavior.scaleDown.policies (3 would be applied now).
",
    ),
    (
        "disabled down",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 8
  http_rps: 290.5 against a target of 100 per replica                         3
  behavior.scaleDown is disabled, so the size stays    → ScaleDownPolicy      8
  held: Deployment/web stays as it is                                         8
  To lift: set behavior.scaleDown.selectPolicy to Max or Min (3 would be
    applied now).
",
    ),
    (
        "min",
        "\
shop/web  2026-03-01 14:02:10Z                                            3 → 2
  http_rps: 80 against a target of 100 per replica                            1
  minReplicas 2                                            → MinReplicas      2
  applied to Deployment/web                                                   2
  To lift: lower minReplicas below 2 (1 now).
",
    ),
    (
        "tolerance",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 6
  http_rps: 624 against a target of 100 per replica, ratio 1.04,              6
    within the tolerance of 10 %
  held: Deployment/web stays as it is                                         6
  Steady: it moves once the ratio leaves the tolerance.
",
    ),
    (
        "missing",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 6
  http_rps: no value (EmptyResult): the query returned no series; does        -
    the app export http_requests_total?
  no recommendation without a value, so the          → MetricUnavailable      6
    replicas are untouched
  held: Deployment/web stays as it is                                         6
  To lift: mend http_rps (EmptyResult); nothing is lowered until it is whole.
",
    ),
    (
        "one of two missing",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 6
  http_rps: no value (EmptyResult): the query returned no series; does        -
    the app export http_requests_total?
  queue: 300 against a target of 100 per replica                              3
  http_rps is not whole, so nothing is lowered:      → MetricUnavailable      6
    replicas untouched
  held: Deployment/web stays as it is                                         6
  To lift: mend http_rps (EmptyResult); nothing is lowered until it is whole.
",
    ),
    (
        "partial",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 6
  http_rps: 300 against a target of 100 per replica, sum of 3 series.         3
    Incomplete (PartialData), so it may raise but never lower:
    Prometheus warned: one store did not answer.
  http_rps is not whole, so nothing is lowered:            → PartialData      6
    replicas untouched
  held: Deployment/web stays as it is                                         6
  To lift: mend http_rps (PartialData); nothing is lowered until it is whole.
",
    ),
    (
        "off",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 0
  replicas is 0: somebody switched the workload        → ScalingDisabled      0
    off, and Flyball leaves it off
  held: Deployment/web stays as it is                                         0
  To lift: scale it to 1 or more by hand; Flyball takes over from there.
",
    ),
    (
        "paused",
        "\
shop/web  2026-03-01 14:02:10Z                                          stays 6
  paused: metrics are not asked, the size is held               → Paused      6
  held: Deployment/web stays as it is                                         6
  To lift: set spec.mode to Auto or drop the annotation flyball.dev/paused.
",
    ),
    (
        "paused at",
        "\
shop/web  2026-03-01 14:02:10Z                                            6 → 4
  paused at a fixed size of 4: metrics are not asked            → Paused      4
  applied to Deployment/web                                                   4
  To lift: set spec.mode to Auto or drop the annotation flyball.dev/paused.
",
    ),
    (
        "above",
        "\
shop/web  2026-03-01 14:02:10Z                                           12 → 8
  12 is above maxReplicas 8: goes there at once,           → MaxReplicas      8
    metrics unasked
  applied to Deployment/web                                                   8
",
    ),
    (
        "below",
        "\
shop/web  2026-03-01 14:02:10Z                                            1 → 2
  1 is below minReplicas 2: goes there at once, metrics    → MinReplicas      2
    unasked
  applied to Deployment/web                                                   2
",
    ),
    (
        "dry",
        "\
shop/web  2026-03-01 14:02:10Z                                           6 → 13
  http_rps: 1224 against a target of 100 per replica, ratio 2.04             13
  queue: 41.5 against a target of 100 per replica                             5
  highest of 2 metrics: http_rps                                             13
  dry run: would set Deployment/web to 13, wrote nothing        → DryRun     13
  To lift: set spec.mode to Auto.
",
    ),
    (
        "free",
        "\
shop/web  2026-03-01 14:02:10Z                                           6 → 13
  http_rps: 1224 against a target of 100 per replica, ratio 2.04             13
  queue: 41.5 against a target of 100 per replica                             5
  highest of 2 metrics: http_rps                                             13
  applied to Deployment/web                                                  13
",
    ),
];
