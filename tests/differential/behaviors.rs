//! What is compared: specs and what happens to them, as plain values.
//!
//! A step is played when both sides have settled, and windows and periods are of a few seconds, so that the sequence of sizes does not
//! depend on the phases of the two loops; a load that follows from the size (a Value target) either has no pace to keep or always wants
//! more than its pace allows, since how much of a budget is left hangs on the phase. Only what HPA fixes for everybody is longer (15 s periods, the window of 300 s).

use serde_json::{Value, json};

use crate::Side;
use crate::pods::PodTemplate;
use crate::twins::Kind;

/// A metric, and what it is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// So much for each replica.
    Average(&'static str),
    /// So much in all; HPA counts ready pods.
    Value(&'static str),
    /// What pods use of a resource, in all their containers or in one of them.
    Usage { resource: &'static str, container: Option<&'static str>, goal: Goal },
}

/// What the usage of pods is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// A share of what they request.
    Percent(i64),
    /// So much for each pod.
    Average(&'static str),
}

impl Target {
    /// The metric as the spec of `side` writes it. What pods use is written alike on both; a series has a source for each.
    pub(crate) fn metric(self, side: Side, series: &str) -> Value {
        let target = match self {
            Self::Average(quantity) | Self::Usage { goal: Goal::Average(quantity), .. } => {
                json!({"type": "AverageValue", "averageValue": quantity})
            }
            Self::Value(quantity) => json!({"type": "Value", "value": quantity}),
            Self::Usage { goal: Goal::Percent(percent), .. } => {
                json!({"type": "Utilization", "averageUtilization": percent})
            }
        };
        match (self, side) {
            (Self::Usage { resource, container: None, .. }, _) => {
                json!({"type": "Resource", "resource": {"name": resource, "target": target}})
            }
            (Self::Usage { resource, container, .. }, _) => json!({
                "type": "ContainerResource",
                "containerResource": {"name": resource, "container": container, "target": target},
            }),
            (_, Side::Hpa) => json!({"type": "External", "external": {"metric": {"name": series}, "target": target}}),
            (_, Side::Flyball) => json!({"type": "Prometheus", "prometheus": {"query": series, "target": target}}),
        }
    }
}

/// What happens to both twins at once.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Each metric has this value, `None` a failure, until both have settled.
    Load(Vec<Option<f64>>),
    /// The same for so many seconds.
    LoadFor(Vec<Option<f64>>, u64),
    /// Somebody gives the workload this size.
    Resize(i64),
    /// Somebody edits minReplicas and maxReplicas.
    Bounds(i64, i64),
}

/// One spec, and the story it is put through.
#[derive(Debug, Clone)]
pub(crate) struct Behavior {
    pub(crate) name: String,
    /// `spec.behavior`, word for word on both sides.
    pub(crate) rules: Option<Value>,
    pub(crate) metrics: Vec<Target>,
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// The size before anybody scales.
    pub(crate) start: i64,
    /// The longest window or period that matters to the steps.
    pub(crate) longest_seconds: u64,
    /// The first is there when the autoscalers are made.
    pub(crate) steps: Vec<Step>,
    /// Why Flyball decides otherwise on purpose; then it must.
    pub(crate) deviation: Option<&'static str>,
    pub(crate) random: bool,
    /// The beginning of the names of its series; set when it is played.
    pub(crate) series: String,
    /// What its pods are, where there are any.
    pub(crate) pods: Option<PodTemplate>,
}

impl Behavior {
    /// From 2 to 12 replicas with 10 of one metric for each, once both have settled at 2.
    pub(crate) fn new(name: &str, rules: Option<Value>, loads: &[f64]) -> Self {
        Self {
            name: name.to_owned(),
            rules,
            metrics: vec![Target::Average("10")],
            min: 2,
            max: 12,
            start: 2,
            longest_seconds: 1,
            steps: loads.iter().map(|load| Step::Load(vec![Some(*load)])).collect(),
            deviation: None,
            random: false,
            series: String::new(),
            pods: None,
        }
    }

    /// Racks where HPA counts pods, Deployments everywhere else.
    pub(crate) fn kind(&self) -> Kind {
        let counts_pods = self.metrics.iter().any(|target| matches!(target, Target::Value(_)));
        if counts_pods { Kind::Rack } else { Kind::Deployment }
    }

    pub(crate) fn longest(self, longest_seconds: u64) -> Self {
        Self { longest_seconds, ..self }
    }

    pub(crate) fn sizes(self, min: i64, start: i64, max: i64) -> Self {
        Self { min, start, max, ..self }
    }

    pub(crate) fn metrics(self, metrics: Vec<Target>) -> Self {
        Self { metrics, ..self }
    }

    pub(crate) fn steps(self, steps: Vec<Step>) -> Self {
        Self { steps, ..self }
    }
}

pub(crate) fn up(rules: &Value) -> Option<Value> {
    let fast_down =
        json!({"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}]});
    Some(json!({"scaleUp": rules, "scaleDown": fast_down}))
}

pub(crate) fn down(rules: &Value) -> Option<Value> {
    let fast_up = json!({"policies": [{"type": "Percent", "value": 1000, "periodSeconds": 1}]});
    Some(json!({"scaleUp": fast_up, "scaleDown": rules}))
}

/// As fast as the syncs, in both directions.
pub(crate) fn quick() -> Option<Value> {
    Some(json!({
        "scaleUp": {"policies": [percent(1000, 1)]},
        "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [percent(100, 1)]},
    }))
}

pub(crate) fn pods(value: i64, period_seconds: i64) -> Value {
    json!({"type": "Pods", "value": value, "periodSeconds": period_seconds})
}

pub(crate) fn percent(value: i64, period_seconds: i64) -> Value {
    json!({"type": "Percent", "value": value, "periodSeconds": period_seconds})
}

pub(crate) fn load(value: f64) -> Step {
    Step::Load(vec![Some(value)])
}

/// All that are written down.
pub(crate) fn all() -> Vec<Behavior> {
    [upwards(), downwards(), values_and_bounds(), disturbances()].into_iter().flatten().collect()
}

fn upwards() -> Vec<Behavior> {
    let max = json!({"policies": [pods(2, 3), percent(50, 3)]});
    let min = json!({"policies": [pods(2, 3), percent(50, 3)], "selectPolicy": "Min"});
    vec![
        Behavior::new("no behavior: doubles, and keeps its size", None, &[20.0, 300.0, 30.0, 1000.0]).sizes(1, 1, 30),
        Behavior::new("behavior of defaults: 4 pods or the double", Some(json!({})), &[20.0, 200.0, 50.0])
            .sizes(2, 2, 20)
            .longest(15),
        Behavior::new("up: 2 pods a period", up(&json!({"policies": [pods(2, 3)]})), &[15.0, 110.0, 31.0, 64.0])
            .longest(3),
        Behavior::new(
            "up: half as much again a period",
            up(&json!({"policies": [percent(50, 3)]})),
            &[15.0, 290.0, 25.0, 90.0],
        )
        .sizes(1, 3, 30)
        .longest(3),
        Behavior::new("up: the larger of pods and percent", up(&max), &[15.0, 300.0, 22.0, 75.0])
            .sizes(1, 2, 25)
            .longest(3),
        Behavior::new("up: the smaller of pods and percent", up(&min), &[15.0, 150.0, 22.0, 75.0]).longest(3),
        Behavior::new("up: disabled", up(&json!({"selectPolicy": "Disabled"})), &[60.0, 110.0, 35.0, 90.0])
            .sizes(2, 6, 12),
        Behavior::new("up: a window of 5 s", up(&json!({"stabilizationWindowSeconds": 5})), &[])
            .steps(vec![load(20.0), Step::LoadFor(vec![Some(90.0)], 2), load(20.0), load(60.0), load(33.0)])
            .longest(15),
    ]
}

fn downwards() -> Vec<Behavior> {
    let rules = |policies: Value, select: &str| {
        down(&json!({"stabilizationWindowSeconds": 0, "policies": policies, "selectPolicy": select}))
    };
    let both = json!([pods(2, 3), percent(50, 3)]);
    let window = json!({"stabilizationWindowSeconds": 5, "policies": [percent(100, 1)]});
    vec![
        Behavior::new("down: 3 pods a period", rules(json!([pods(3, 3)]), "Max"), &[120.0, 25.0, 90.0, 70.0])
            .longest(3),
        Behavior::new("down: 30 percent a period", rules(json!([percent(30, 3)]), "Max"), &[120.0, 25.0, 90.0, 60.0])
            .longest(3),
        Behavior::new("down: the larger of pods and percent", rules(both.clone(), "Max"), &[240.0, 15.0, 110.0, 50.0])
            .sizes(1, 20, 24)
            .longest(3),
        Behavior::new("down: the smaller of pods and percent", rules(both, "Min"), &[120.0, 15.0, 110.0, 50.0])
            .sizes(1, 12, 12)
            .longest(3),
        Behavior::new("down: disabled", down(&json!({"selectPolicy": "Disabled"})), &[45.0, 20.0, 90.0, 20.0]),
        Behavior::new("down: a window of 5 s", down(&window), &[])
            .steps(vec![
                load(100.0),
                Step::LoadFor(vec![Some(20.0)], 2),
                load(100.0),
                load(45.0),
                load(80.0),
                load(0.0),
            ])
            .sizes(2, 12, 12)
            .longest(5),
    ]
}

fn values_and_bounds() -> Vec<Behavior> {
    let tolerances = json!({
        "scaleUp": {"tolerance": "0.5", "policies": [percent(1000, 1)]},
        "scaleDown": {"tolerance": "0", "stabilizationWindowSeconds": 0, "policies": [percent(100, 1)]},
    });
    let gentle = json!({
        "scaleUp": {"policies": [pods(2, 2)]},
        "scaleDown": {"stabilizationWindowSeconds": 2, "policies": [pods(2, 2)]},
    });
    vec![
        Behavior::new(
            "tolerance: 0.5 up, 0 down",
            Some(tolerances),
            &[40.0, 58.0, 61.0, 69.9, 64.0, 105.0, 99.0, 160.0],
        ),
        Behavior::new(
            "tolerance: 0.1 where nothing is said",
            quick(),
            &[100.0, 109.0, 110.0, 111.0, 99.0, 98.0, 120.0, 90.0],
        )
        .sizes(2, 10, 12),
        Behavior::new("fractions: 333m of 250m a replica", quick(), &[0.333, 0.75, 1.101, 0.001, 2.999])
            .metrics(vec![Target::Average("250m")]),
        Behavior::new("a small maximum", quick(), &[500.0, 0.0, 25.0, 1e12, 31.0]).sizes(1, 1, 3),
        Behavior::new("minimum and maximum are the same", quick(), &[0.0, 500.0, 40.0]).sizes(4, 4, 4),
        Behavior::new("value target", quick(), &[10.0, 15.0, 10.0, 4.0, 10.5, 25.0, 9.0, 0.0])
            .metrics(vec![Target::Value("10")])
            .sizes(1, 2, 9),
        Behavior::new("value target, 2 pods a period", Some(gentle), &[10.0, 30.0, 10.0, 2.0, 10.0, 25.0])
            .metrics(vec![Target::Value("10")])
            .longest(2),
        Behavior::new("starts below its minimum, which then moves", quick(), &[])
            .steps(vec![
                load(45.0),
                Step::Bounds(7, 9),
                load(200.0),
                Step::Bounds(2, 5),
                load(10.0),
                Step::Bounds(3, 12),
            ])
            .sizes(3, 1, 12),
        Behavior::new("starts above its maximum", quick(), &[100.0, 20.0, 70.0]).sizes(2, 20, 8),
    ]
}

fn disturbances() -> Vec<Behavior> {
    let paced = json!({
        "scaleUp": {"policies": [pods(3, 3)]},
        "scaleDown": {"stabilizationWindowSeconds": 3, "policies": [pods(3, 3)]},
    });
    let two = || vec![Target::Average("10"), Target::Average("1")];
    let both = |first: f64, second: f64| Step::Load(vec![Some(first), Some(second)]);
    vec![
        Behavior::new("two metrics: the higher counts", quick(), &[]).metrics(two()).steps(vec![
            both(40.0, 3.0),
            both(40.0, 8.0),
            both(90.0, 8.0),
            both(20.0, 5.0),
            both(20.0, 3.0),
        ]),
        Behavior::new("one of two metrics fails: up, never down", quick(), &[]).metrics(two()).steps(vec![
            both(60.0, 5.0),
            Step::Load(vec![Some(20.0), None]),
            Step::Load(vec![Some(80.0), None]),
            Step::Load(vec![None, Some(3.0)]),
            Step::Load(vec![None, Some(11.0)]),
            both(30.0, 3.0),
        ]),
        Behavior::new("its metric fails: holds", quick(), &[]).steps(vec![
            load(60.0),
            Step::Load(vec![None]),
            load(20.0),
            Step::LoadFor(vec![None], 3),
            load(90.0),
        ]),
        Behavior::new("sizes set by hand are brought back at its pace", Some(paced), &[])
            .steps(vec![load(60.0), Step::Resize(12), Step::Resize(2), Step::Resize(7), load(40.0), Step::Resize(20)])
            .longest(3),
        Behavior {
            deviation: Some(
                "HPA without behavior grows back to what it recommended before; Flyball's window delays, and never reverses",
            ),
            ..Behavior::new("no behavior: a size lowered by hand", None, &[]).steps(vec![
                load(80.0),
                load(30.0),
                Step::Resize(4),
            ])
        },
    ]
}
