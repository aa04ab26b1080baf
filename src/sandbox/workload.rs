//! A workload under load: requests arrive in waves, each ready pod serves so many, pods take time to start, and what cannot be
//! served waits. Pure: time and randomness come in as values; must not know any API.

use crate::engine::Timestamp;

/// CPU that a pod burns at full capacity, in cores.
const CORES_AT_CAPACITY: f64 = 1.0;
/// Seconds that an unhurried request takes.
const BASE_LATENCY_SECONDS: f64 = 0.05;
/// Latency that is the longest shown: clients give up then.
const MAX_LATENCY_SECONDS: f64 = 10.0;
/// Utilization up to which the latency curve is drawn; beyond it the queue tells.
const MAX_CURVE_UTILIZATION: f64 = 0.95;
/// Seconds of full capacity (of one pod at least) that the queue holds; what comes on top is turned away.
const MAX_QUEUE_SECONDS: f64 = 20.0;
/// Most pods that are modelled, whatever the size asked for.
const MAX_PODS: usize = 10_000;

/// The load over time: a sine around a base, some noise, and spikes on top.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// Requests per second in the mean.
    pub base: f64,
    /// Requests per second by which the sine swings up and down; 0 is calm.
    pub amplitude: f64,
    /// Seconds of one swing.
    pub period_seconds: f64,
    /// Noise as a fraction of the load, 0 to 1.
    pub noise: f64,
}

impl Wave {
    /// A load that only has its noise.
    #[must_use]
    pub const fn calm(base: f64) -> Self {
        Self { base, amplitude: 0.0, period_seconds: 60.0, noise: 0.02 }
    }

    /// Requests per second, `elapsed_seconds` after the start, with `chance` (-1 to 1) as this moment's noise.
    #[must_use]
    pub fn at(&self, elapsed_seconds: f64, chance: f64) -> f64 {
        let swing = (elapsed_seconds / self.period_seconds.max(1.0) * std::f64::consts::TAU).sin();
        let load = self.base + self.amplitude * swing;
        (load * (1.0 + self.noise * chance)).max(0.0)
    }
}

/// A spike on top of the wave.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spike {
    until: Timestamp,
    requests_per_second: f64,
}

/// What a workload is.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadSpec {
    /// Namespace of its Deployment.
    pub namespace: String,
    /// Name of its Deployment, and value of its label `app`.
    pub name: String,
    /// Replicas to begin with.
    pub replicas: i32,
    /// Requests per second that one pod can serve.
    pub pod_capacity: f64,
    /// Seconds from the creation of a pod to its readiness.
    pub pod_start_seconds: i64,
    /// The load.
    pub wave: Wave,
}

impl WorkloadSpec {
    /// A workload in calm: two pods that serve 120 requests per second each, and start within 3 s; 150 requests per second come.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            replicas: 2,
            pod_capacity: 120.0,
            pod_start_seconds: 3,
            wave: Wave::calm(150.0),
        }
    }
}

/// How a workload does at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Requests per second that arrive.
    pub arriving: f64,
    /// Requests per second that are served.
    pub served: f64,
    /// Requests that wait.
    pub queue: f64,
    /// Fraction of the ready pods' capacity that is used, 0 to 1.
    pub utilization: f64,
    /// Cores that all pods burn.
    pub cpu: f64,
    /// Seconds that a request takes, waiting included.
    pub latency_seconds: f64,
    /// Pods that serve.
    pub ready: i32,
    /// Pods that there are, the starting ones among them.
    pub pods: i32,
}

/// A workload as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    spec: WorkloadSpec,
    /// When each pod is ready, oldest pod first.
    ready_at: Vec<Timestamp>,
    started: Timestamp,
    last_step: Timestamp,
    spike: Option<Spike>,
    load: Load,
    arrived_total: f64,
    served_total: f64,
    cpu_seconds_total: f64,
}

impl Workload {
    /// A workload whose first pods are ready at `now`.
    #[must_use]
    pub fn new(spec: WorkloadSpec, now: Timestamp) -> Self {
        let pods = pod_count(spec.replicas);
        Self {
            ready_at: vec![now; pods],
            started: now,
            last_step: now,
            spike: None,
            load: Load::default(),
            arrived_total: 0.0,
            served_total: 0.0,
            cpu_seconds_total: 0.0,
            spec,
        }
    }

    /// What it is.
    #[must_use]
    pub const fn spec(&self) -> &WorkloadSpec {
        &self.spec
    }

    /// How it does.
    #[must_use]
    pub const fn load(&self) -> Load {
        self.load
    }

    /// Lets `requests_per_second` more arrive until `until`, in place of any earlier spike.
    pub const fn spike(&mut self, requests_per_second: f64, until: Timestamp) {
        self.spike = Some(Spike { until, requests_per_second });
    }

    /// Goes on to `now` with `replicas` asked for, and `chance` (-1 to 1) as this moment's noise.
    #[allow(clippy::cast_precision_loss)] // milliseconds of a simulation and pods are small
    pub fn step(&mut self, now: Timestamp, replicas: i32, chance: f64) -> Load {
        let seconds = (now.millis_since(self.last_step).max(0) as f64) / 1000.0;
        self.last_step = now;
        self.resize(now, replicas);
        self.spike = self.spike.filter(|spike| now < spike.until);
        let elapsed = now.millis_since(self.started) as f64 / 1000.0;
        let extra = self.spike.map_or(0.0, |spike| spike.requests_per_second);
        let arriving = self.spec.wave.at(elapsed, chance) + extra;
        let ready = self.ready_at.iter().filter(|at| **at <= now).count();
        let capacity = ready as f64 * self.spec.pod_capacity;
        let waiting = self.load.queue + arriving * seconds;
        let done = waiting.min(capacity * seconds);
        let queue = (waiting - done).min(capacity.max(self.spec.pod_capacity) * MAX_QUEUE_SECONDS);
        let served = if seconds > 0.0 { done / seconds } else { self.load.served };
        let utilization = if capacity > 0.0 { (served / capacity).clamp(0.0, 1.0) } else { 0.0 };
        let unhurried = BASE_LATENCY_SECONDS / (1.0 - utilization.min(MAX_CURVE_UTILIZATION));
        let wait = if capacity > 0.0 { queue / capacity } else { MAX_LATENCY_SECONDS };
        let cpu = if self.spec.pod_capacity > 0.0 { served / self.spec.pod_capacity * CORES_AT_CAPACITY } else { 0.0 };
        self.arrived_total += arriving * seconds;
        self.served_total += done;
        self.cpu_seconds_total += cpu * seconds;
        self.load = Load {
            arriving,
            served,
            queue,
            utilization,
            cpu,
            latency_seconds: (unhurried + wait).min(MAX_LATENCY_SECONDS),
            ready: i32::try_from(ready).unwrap_or(i32::MAX),
            pods: i32::try_from(self.ready_at.len()).unwrap_or(i32::MAX),
        };
        self.load
    }

    /// New pods begin to start; of too many the youngest go first, as a ReplicaSet would have it.
    fn resize(&mut self, now: Timestamp, replicas: i32) {
        let ready_at = now.plus_seconds(self.spec.pod_start_seconds);
        self.ready_at.resize(pod_count(replicas), ready_at);
    }

    /// What it exports: names and values. Counters end in `_total`.
    #[must_use]
    pub fn exports(&self) -> [(&'static str, f64); 8] {
        [
            ("http_requests_total", self.arrived_total),
            ("http_requests_served_total", self.served_total),
            ("http_request_rate", self.load.arriving),
            ("cpu_usage", self.load.cpu),
            ("cpu_usage_seconds_total", self.cpu_seconds_total),
            ("cpu_utilization", self.load.utilization),
            ("latency_seconds", self.load.latency_seconds),
            ("queue_length", self.load.queue),
        ]
    }
}

fn pod_count(replicas: i32) -> usize {
    usize::try_from(replicas).unwrap_or(0).min(MAX_PODS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(0).plus_seconds(seconds)
    }

    fn run(workload: &mut Workload, seconds: std::ops::Range<i64>, replicas: i32) -> Load {
        seconds.map(|second| workload.step(at(second), replicas, 0.0)).last().unwrap()
    }

    #[test]
    fn enough_pods_serve_all() {
        let mut workload = Workload::new(WorkloadSpec::new("shop", "web"), at(0));
        let load = run(&mut workload, 1..60, 2);
        assert_eq!((load.ready, load.pods), (2, 2));
        assert!((load.served - 150.0).abs() < 1e-9 && load.queue < 1e-9, "{load:?}");
        assert!((load.utilization - 0.625).abs() < 1e-9 && (load.cpu - 1.25).abs() < 1e-9, "{load:?}");
        assert!(load.latency_seconds < 0.2, "{load:?}");
        let exports = workload.exports();
        assert_eq!(exports[0], ("http_requests_total", 59.0 * 150.0));
    }

    #[test]
    fn too_few_pods_queue_and_recover() {
        let mut workload = Workload::new(WorkloadSpec::new("shop", "web"), at(0));
        workload.spike(450.0, at(30));
        let load = run(&mut workload, 1..30, 2);
        assert!((load.utilization - 1.0).abs() < 1e-9 && load.latency_seconds > 5.0, "{load:?}");
        assert!(load.queue <= 240.0 * MAX_QUEUE_SECONDS, "the queue is bounded: {load:?}");
        let load = run(&mut workload, 30..31, 6);
        assert_eq!((load.ready, load.pods), (2, 6), "new pods start, they do not serve yet");
        let load = run(&mut workload, 31..90, 6);
        assert_eq!(load.ready, 6);
        assert!(load.queue < 1e-9 && load.latency_seconds < 0.2, "{load:?}");
    }

    #[test]
    fn no_pods_serve_nothing() {
        let mut workload = Workload::new(WorkloadSpec::new("shop", "web"), at(0));
        let load = run(&mut workload, 1..100, 0);
        assert_eq!((load.served.to_bits(), load.ready), (0.0_f64.to_bits(), 0));
        assert!(load.queue > 0.0 && load.queue <= 120.0 * MAX_QUEUE_SECONDS);
        assert_eq!(run(&mut workload, 100..101, i32::MAX).pods, 10_000, "absurd sizes are bounded");
        assert_eq!(run(&mut workload, 101..102, -5).pods, 0);
    }

    #[test]
    fn a_wave_swings_between_its_bounds() {
        let wave = Wave { base: 100.0, amplitude: 50.0, period_seconds: 60.0, noise: 0.1 };
        assert!((wave.at(15.0, 0.0) - 150.0).abs() < 1e-9);
        assert!((wave.at(45.0, 0.0) - 50.0).abs() < 1e-9);
        assert!((wave.at(0.0, 1.0) - 110.0).abs() < 1e-9);
        assert!(Wave { base: 0.0, ..wave }.at(45.0, 0.0).abs() < 1e-9, "never below zero");
    }
}
