//! What is asked about pods: the queries for cpu and memory, and over how long a query measures. Pure; must not ask.

use std::sync::Arc;
use std::time::Duration;

use promql_parser::parser::{self, Expr, Offset};
use promql_parser::util::{ExprVisitor, walk_expr};

/// The labels that a series of the answer must carry, by these names: as the kubelet's cAdvisor exports them. A series without
/// `container` counts for its whole pod.
pub const LABELS: [&str; 3] = ["namespace", "pod", "container"];

/// What containers burn, in cores, from cAdvisor's counters as the kubelet serves them (`/metrics/cadvisor`).
///
/// * `irate`, as kube-prometheus configures prometheus-adapter, and close to what metrics-server does: the growth between the last two
///   scrapes. `rate` would spread what the window holds over the whole window, so a window that is filled in part (a container that
///   has just started, a Prometheus that has just started or could not scrape for a minute) would pass for less load than there is.
/// * `[2m]` holds two scrapes a minute apart, which is Prometheus' default interval.
/// * `max`, because a container that was started again leaves its old series behind for minutes, and a kubelet may be scraped
///   twice: the sum would count both.
/// * `container!=""` leaves out the cgroups of whole pods and nodes, `container!="POD"` the sandbox containers of older runtimes, and
///   `cpu=~"total|"` single cores, of which `max` would pick one.
pub const DEFAULT_CPU: &str = r#"max by (namespace, pod, container) (irate(container_cpu_usage_seconds_total{container!="",container!="POD",cpu=~"total|"}[2m]))"#;

/// What containers hold in memory, in bytes: the working set, which is what metrics-server reports and what the kubelet evicts by.
/// `max` for the same reasons as for cpu.
pub const DEFAULT_MEMORY: &str =
    r#"max by (namespace, pod, container) (container_memory_working_set_bytes{container!="",container!="POD"})"#;

/// Seconds over which a query measures that does not show it, such as the name of a recording rule: as long as HPA's cpu initialization
/// period, beyond which the window of a sample plays no part. Too long a window only doubts young pods for longer.
const UNKNOWN_WINDOW_SECONDS: i32 = 300;

/// One of the two queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// PromQL that yields a series a container, with [`LABELS`].
    pub promql: Arc<str>,
    /// Seconds before the answer's time over which it measures.
    pub window_seconds: i32,
}

impl UsageQuery {
    /// A query as it was written. Its window is the longest way back that it looks; where it cannot be told, 5 minutes.
    #[must_use]
    pub fn new(promql: &str) -> Self {
        let promql = promql.trim();
        let reach = parser::parse(promql).ok().and_then(|expression| reach_of(&expression));
        let seconds = reach.map(|reach| i32::try_from(reach.as_millis().div_ceil(1000)).unwrap_or(i32::MAX));
        Self { promql: promql.into(), window_seconds: seconds.unwrap_or(UNKNOWN_WINDOW_SECONDS) }
    }

    /// [`DEFAULT_CPU`], of one namespace or of all.
    #[must_use]
    pub fn cpu(namespace: Option<&str>) -> Self {
        Self::new(&within(DEFAULT_CPU, namespace))
    }

    /// [`DEFAULT_MEMORY`], of one namespace or of all.
    #[must_use]
    pub fn memory(namespace: Option<&str>) -> Self {
        Self::new(&within(DEFAULT_MEMORY, namespace))
    }
}

/// A default query, narrowed to one namespace: what nobody may watch need not be asked.
fn within(promql: &str, namespace: Option<&str>) -> String {
    match namespace {
        // The name of a namespace holds letters, digits and hyphens; Debug's quotes and escapes are PromQL's, for any other text.
        Some(namespace) => promql.replacen('{', &format!("{{namespace={namespace:?},"), 1),
        None => promql.to_owned(),
    }
}

/// How far back the expression looks, `None` where it does not show it: without a range, it may name a rule with one.
fn reach_of(expression: &Expr) -> Option<Duration> {
    let mut reach = Reach::default();
    walk_expr(&mut reach, expression).ok()?;
    reach.ranged.then_some(reach.longest)
}

/// Adds up ranges and offsets from the root to each selector.
#[derive(Default)]
struct Reach {
    above: Vec<Duration>,
    longest: Duration,
    ranged: bool,
}

impl Reach {
    fn note(&mut self, own: Duration) {
        let above = self.above.iter().fold(Duration::ZERO, |sum, next| sum.saturating_add(*next));
        self.longest = self.longest.max(above.saturating_add(own));
    }
}

impl ExprVisitor for Reach {
    type Error = ();

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, ()> {
        match expression {
            Expr::Subquery(subquery) => {
                self.ranged = true;
                self.above.push(subquery.range.saturating_add(back(subquery.offset.as_ref())));
            }
            Expr::MatrixSelector(matrix) => {
                self.ranged = true;
                self.note(matrix.range.saturating_add(back(matrix.vs.offset.as_ref())));
            }
            Expr::VectorSelector(selector) => self.note(back(selector.offset.as_ref())),
            _ => {}
        }
        Ok(true)
    }

    fn post_visit(&mut self, expression: &Expr) -> Result<bool, ()> {
        if matches!(expression, Expr::Subquery(_)) {
            self.above.pop();
        }
        Ok(true)
    }
}

fn back(offset: Option<&Offset>) -> Duration {
    match offset {
        Some(Offset::Pos(back)) => *back,
        Some(Offset::Neg(_)) | None => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_the_longest_way_back() {
        for (promql, seconds) in [
            (DEFAULT_CPU, 120),
            ("sum by (pod) (rate(a[90s]))", 90),
            ("rate(a[1m] offset 30s)", 90),
            ("rate(a[1m] offset -30s)", 60),
            ("rate(a[1m]) + rate(b[3m])", 180),
            ("max_over_time(rate(a[1m])[5m:1m])", 360),
            ("max_over_time(rate(a[1m])[5m:1m] offset 1m)", 420),
            ("avg_over_time(a[500ms])", 1),
            ("namespace_pod_container:cpu:sum_irate", UNKNOWN_WINDOW_SECONDS),
            ("no PromQL at all {", UNKNOWN_WINDOW_SECONDS),
        ] {
            assert_eq!(UsageQuery::new(promql).window_seconds, seconds, "{promql}");
        }
    }

    #[test]
    fn the_defaults_are_promql_and_can_be_narrowed() {
        for query in [UsageQuery::cpu(None), UsageQuery::memory(None), UsageQuery::cpu(Some("shop"))] {
            assert!(parser::parse(&query.promql).is_ok(), "{}", query.promql);
        }
        assert_eq!(&*UsageQuery::cpu(None).promql, DEFAULT_CPU);
        let narrow = UsageQuery::memory(Some("shop")).promql;
        assert!(narrow.contains(r#"{namespace="shop",container!="","#), "{narrow}");
    }
}
