//! What the kernel tells of this process, under the names that every Prometheus client library uses. Linux only; elsewhere nothing is told.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks in a second, as `/proc` counts CPU time: fixed at 100 for user space on every Linux architecture that Rust has in tier 1.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes in a kibibyte, the unit of `/proc/self/status`.
const KIB: f64 = 1024.0;

/// Reads `/proc/self` at each scrape.
#[derive(Debug, Default)]
pub struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let family = encoder.encode_descriptor(
                "process_cpu_seconds",
                "User and system CPU time of this process in seconds",
                None,
                MetricType::Counter,
            )?;
            ConstCounter::new(seconds).encode(family)?;
        }
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory in bytes", status_kib("VmRSS:").map(|kib| kib * KIB)),
            ("process_threads", "Threads of this process", status_kib("Threads:")),
            ("process_open_fds", "Open file descriptors", open_files()),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
            }
        }
        Ok(())
    }
}

/// The 14th and 15th fields of `/proc/self/stat`. The second, the command, may hold spaces; it ends at the last parenthesis.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn status_kib(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

#[allow(clippy::cast_precision_loss)] // a process has far fewer files than 2^53
fn open_files() -> Option<f64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}
