//! Arguments of `flyball run` about where usage of pods comes from, and what they make.

use clap::{Args, ValueEnum};

use crate::cli::UsageError;
use crate::engine::Absent;
use crate::sources::prometheus::usage::{PodUsages, UsageQuery, Way};

/// Where metrics of type Resource and `ContainerResource` come from.
#[derive(Debug, Clone, Args)]
pub(super) struct PodMetricsArgs {
    /// Where cpu and memory of pods come from. Other resources are always asked of metrics.k8s.io
    #[arg(long, env = "FLYBALL_POD_METRICS_FROM", value_name = "WHERE", default_value = "prometheus")]
    pod_metrics_from: PodMetricsFrom,
    /// PromQL for the cores that each container uses, a series with the labels namespace, pod and container; the kubelets' cAdvisor if
    /// not given
    #[arg(long, env = "FLYBALL_POD_CPU_QUERY", value_name = "PROMQL")]
    pod_cpu_query: Option<String>,
    /// The same for the bytes of memory
    #[arg(long, env = "FLYBALL_POD_MEMORY_QUERY", value_name = "PROMQL")]
    pod_memory_query: Option<String>,
}

/// Who tells what pods use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PodMetricsFrom {
    /// cAdvisor's series, one query a resource for all pods
    Prometheus,
    /// metrics.k8s.io, which metrics-server or an adapter serves
    MetricsApi,
}

impl PodMetricsArgs {
    /// What tells usage of pods in `namespace` or in all; `None` for `metrics.k8s.io`. `choose` knows the way to the Prometheus.
    pub(super) fn usages(
        self,
        namespace: Option<&str>,
        choose: impl Fn(&str) -> Result<Way, Absent> + Send + Sync + 'static,
    ) -> Result<Option<PodUsages>, UsageError> {
        let Self { pod_metrics_from, pod_cpu_query, pod_memory_query } = self;
        let given = [("--pod-cpu-query", &pod_cpu_query), ("--pod-memory-query", &pod_memory_query)];
        for (flag, query) in given {
            let Some(query) = query else { continue };
            if pod_metrics_from == PodMetricsFrom::MetricsApi {
                let why =
                    format!("{flag} is asked of Prometheus only; leave it out with --pod-metrics-from metrics-api");
                return Err(UsageError(why));
            }
            if query.trim().is_empty() {
                return Err(UsageError(format!("{flag} is empty; give a query, or leave it out for the default")));
            }
        }
        if pod_metrics_from == PodMetricsFrom::MetricsApi {
            return Ok(None);
        }
        let query = |own: Option<String>, default: UsageQuery| own.map_or(default, |own| UsageQuery::new(&own));
        let cpu = query(pod_cpu_query, UsageQuery::cpu(namespace));
        let memory = query(pod_memory_query, UsageQuery::memory(namespace));
        Ok(Some(PodUsages::choosing(choose, cpu, memory)))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: PodMetricsArgs,
    }

    /// What the arguments make: the queries as they are shown, `metrics-api`, or the complaint.
    fn made(line: &[&str]) -> String {
        let args = match Line::try_parse_from([&["flyball"], line].concat()) {
            Ok(line) => line.args,
            Err(error) => return error.to_string(),
        };
        match args.usages(Some("shop"), |_| unreachable!("nothing is asked")) {
            Ok(usages) => usages.map_or_else(|| "metrics-api".to_owned(), |usages| format!("{usages:?}")),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn arguments_choose_the_source_and_the_queries() {
        let api = ["--pod-metrics-from", "metrics-api"];
        let table: &[(&[&str], &[&str])] = &[
            (&[], &["irate(container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "shop"]),
            (&["--pod-metrics-from", "prometheus"], &["irate(container_cpu_usage_seconds_total"]),
            (
                &["--pod-cpu-query", "mine[7m]"],
                &["mine[7m]", "window_seconds: 420", "container_memory_working_set_bytes"],
            ),
            (&["--pod-memory-query", "mine"], &["irate(container_cpu_usage_seconds_total", "\"mine\""]),
            (&["--pod-cpu-query", " "], &["--pod-cpu-query is empty"]),
            (&["--pod-memory-query", ""], &["--pod-memory-query is empty"]),
            (&api, &["metrics-api"]),
            (&[api[0], api[1], "--pod-cpu-query", "mine"], &["--pod-cpu-query is asked of Prometheus only"]),
            (&["--pod-metrics-from", "kubelet"], &["prometheus, metrics-api"]),
        ];
        for (line, words) in table {
            let made = made(line);
            assert!(words.iter().all(|word| made.contains(word)), "{line:?}: {made}");
        }
    }
}
