//! Usage of pods from the source named `default`, or from the flag's Prometheus: which of them, and what happens as that changes.

use flyball::clock::Clock as _;
use flyball::engine::Timestamp;
use flyball::sandbox::Prometheus;
use flyball::sources::prometheus::connection::Identity;
use serde_json::json;

use crate::cellar::basic;
use crate::scene::{NAMESPACE, PERIOD};
use crate::sources::{PASSWORD, Yard, cluster_source, secret};
use crate::usage::{at_half, deploy_pods, policy_by};

const DEFAULT: (&str, &str) = ("ClusterPrometheusSource", "default");

/// Two pods of a workload, and what each of two Prometheus says that their containers hold of the 100 MiB that they request.
struct Shop {
    yard: Yard,
    of_flag: Prometheus,
}

impl Shop {
    async fn with_flag(flag: Option<&str>) -> Self {
        let yard = Yard::with_flag(flag).await;
        let of_flag = Prometheus::new(yard.scene.clock);
        yard.cellar.serve("flag", &of_flag, Identity::Anonymous);
        deploy_pods(&yard.scene, "web", 2);
        yard.scene.apply(policy_by("web", &at_half("memory")));
        Self { yard, of_flag }
    }

    /// Lets so many seconds pass, in which the flag's Prometheus and the object's see so many MiB.
    async fn pass(&self, seconds: u64, [of_flag, of_object]: [f64; 2]) {
        let scene = &self.yard.scene;
        for _ in 0..seconds {
            record(&self.of_flag, of_flag, scene.clock.now());
            record(&scene.prometheus, of_object, scene.clock.now());
            scene.pass(1).await;
        }
    }

    fn replicas(&self) -> i64 {
        self.yard.scene.replicas("web")
    }

    /// The workload's metric is missing; why.
    #[track_caller]
    fn missing(&self) -> String {
        self.yard.scene.expect("web", ("ScalingActive", "False", "FailedGetResourceMetric"))
    }
}

fn record(prometheus: &Prometheus, mebibytes: f64, now: Timestamp) {
    for pod in ["web-0", "web-1"] {
        for container in ["main", "log"] {
            let labels = [("namespace", NAMESPACE), ("pod", pod), ("container", container)];
            prometheus.record("container_memory_working_set_bytes", &labels, (mebibytes * 1_048_576.0, now));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_source_wins_over_the_flag_for_pods_as_well() {
    let shop = Shop::with_flag(Some("flag")).await;
    let (yard, scene) = (&shop.yard, &shop.yard.scene);
    shop.pass(2 * PERIOD, [100.0, 1.0]).await;
    assert_eq!(shop.replicas(), 4, "the flag's 100 % of 50 % over two pods");

    yard.cellar.demand("main", basic("flyball", PASSWORD));
    let key = |key: &str| json!({"secretKeyRef": {"namespace": NAMESPACE, "name": "login", "key": key}});
    let login = json!({"auth": {"basic": {"username": key("username"), "password": key("password")}}});
    let default = cluster_source("default", "main", &login);
    yard.create(default.clone());
    shop.pass(120, [10.0, 150.0]).await;
    assert_eq!(shop.replicas(), 4, "the flag does not stand in for an object that is not ready");
    let message = shop.missing();
    assert!(message.contains("asked for the memory of pods"), "{message}");
    assert!(message.contains("ClusterPrometheusSource \"default\": Secret shop/login"), "{message}");

    yard.create(secret(&[("username", "flyball"), ("password", PASSWORD)]));
    shop.pass(120, [10.0, 150.0]).await;
    assert_eq!(shop.replicas(), 6, "the object's");

    // A rotated password: one pass is refused, the Secret is read at once, and the next pass gets its answer.
    let clients = yard.cellar.made().len();
    yard.cellar.demand("main", basic("flyball", "next"));
    let rotated = secret(&[("username", "flyball"), ("password", "next")]);
    yard.edit(("Secret", "login"), json!({"data": rotated["data"]})).await;
    shop.pass(2 * PERIOD + 5, [10.0, 200.0]).await;
    assert_eq!((shop.replicas(), yard.cellar.made().len()), (8, clients + 1));
    // One that is refused for good.
    yard.cellar.demand("main", basic("flyball", "another"));
    shop.pass(120, [10.0, 10.0]).await;
    assert_eq!(shop.replicas(), 8);
    let message = shop.missing();
    assert!(message.contains("HTTP 401"), "{message}");
    yard.cellar.demand("main", basic("flyball", "next"));

    let others = json!({"from": "Names", "names": ["depot"]});
    yard.edit(DEFAULT, json!({"spec": {"allowedNamespaces": others}})).await;
    shop.pass(120, [10.0, 10.0]).await;
    assert_eq!(shop.replicas(), 8);
    let message = shop.missing();
    assert!(message.contains("does not allow namespace \"shop\""), "{message}");

    scene.kubernetes.delete(&default).unwrap();
    shop.pass(90, [25.0, 200.0]).await;
    assert_eq!(shop.replicas(), 1, "the flag's again");
}

#[tokio::test(start_paused = true)]
async fn without_object_and_flag_the_mend_is_told_and_an_object_is_enough() {
    let shop = Shop::with_flag(None).await;
    shop.pass(60, [10.0, 10.0]).await;
    assert_eq!(shop.replicas(), 2);
    let message = shop.missing();
    assert!(message.contains("there is neither; give one of them"), "{message}");
    assert!(message.contains("--pod-metrics-from metrics-api"), "{message}");
    // Its limit is for queries: the answer about all pods may be larger.
    shop.yard.create(cluster_source("default", "main", &json!({"maxSeries": 1})));
    shop.pass(90, [10.0, 100.0]).await;
    assert_eq!(shop.replicas(), 4);
}
