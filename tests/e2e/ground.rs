//! The ground that the other tests stand on: the control plane and Prometheus themselves.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::control_plane::{Assets, Controllers, Exporter, Options, Program, Prometheus, Shared, availability, trial};
use crate::support::{eventually, succeed};

/// All trials of this file.
pub(crate) fn trials(shared: &Arc<Shared>) -> Vec<Trial> {
    let plane = availability(&Options { controllers: Controllers::Workloads }.programs());
    let prometheus = availability(&[Program::Prometheus]);
    let with_plane = |name: &str, test: fn(&Shared, &Assets) -> Result<(), Failed>| {
        let shared = Arc::clone(shared);
        trial(name, &plane, move |assets| test(&shared, assets))
    };
    let for_prometheus = Arc::clone(shared);
    vec![
        with_plane("ground::the_server_knows_its_version", the_server_knows_its_version),
        with_plane("ground::a_scaled_deployment_gets_pods", a_scaled_deployment_gets_pods),
        with_plane(
            "ground::a_service_account_may_only_what_it_was_given",
            a_service_account_may_only_what_it_was_given,
        ),
        trial("ground::prometheus_scrapes_dies_and_returns", &prometheus, move |assets| {
            for_prometheus.block_on(prometheus_scrapes_dies_and_returns(assets))
        }),
    ]
}

/// A server that says v0.0.0 was built without its version, and clients refuse features then.
fn the_server_knows_its_version(shared: &Shared, assets: &Assets) -> Result<(), Failed> {
    let plane = shared.plane(assets)?;
    let version = shared.block_on(async { plane.client().await.unwrap().apiserver_version().await })?;
    assert_eq!(version.major, "1");
    assert!(version.minor.parse::<u32>()? >= 33, "older than what Flyball is compiled against: {version:?}");
    Ok(())
}

fn a_scaled_deployment_gets_pods(shared: &Shared, assets: &Assets) -> Result<(), Failed> {
    let plane = shared.plane(assets)?;
    succeed(plane.kubectl(&["create", "namespace", "ground"])?)?;
    succeed(plane.kubectl(&["-n", "ground", "create", "deployment", "web", "--image=web", "--replicas=2"])?)?;
    succeed(plane.kubectl(&["-n", "ground", "scale", "deployment/web", "--replicas=3"])?)?;
    eventually("three pods are made", || {
        let pods = succeed(plane.kubectl(&["-n", "ground", "get", "pods", "-l", "app=web", "-o", "name"])?)?;
        Ok(pods.lines().count() == 3)
    })
}

/// RBAC is on: what the operator's role forgets is refused here as in a cluster.
fn a_service_account_may_only_what_it_was_given(shared: &Shared, assets: &Assets) -> Result<(), Failed> {
    let plane = shared.plane(assets)?;
    let may = |verb: &str, resource: &str| -> Result<String, Failed> {
        let user = "--as=system:serviceaccount:rights:reader";
        let output = plane.kubectl(&["-n", "rights", "auth", "can-i", verb, resource, user])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    succeed(plane.kubectl(&["create", "namespace", "rights"])?)?;
    succeed(plane.kubectl(&["-n", "rights", "create", "serviceaccount", "reader"])?)?;
    succeed(plane.kubectl(&["-n", "rights", "create", "role", "r", "--verb=get", "--resource=pods"])?)?;
    let binding = ["-n", "rights", "create", "rolebinding", "r", "--role=r", "--serviceaccount=rights:reader"];
    succeed(plane.kubectl(&binding)?)?;
    eventually("the role is in force", || Ok(may("get", "pods")? == "yes"))?;
    assert_eq!(may("delete", "pods")?, "no");
    let token = succeed(plane.kubectl(&["-n", "rights", "create", "token", "reader"])?)?;
    assert_eq!(token.trim().split('.').count(), 3, "not a JWT: {token}");
    Ok(())
}

async fn prometheus_scrapes_dies_and_returns(assets: &Assets) -> Result<(), Failed> {
    let exporter = Exporter::start().await?;
    exporter.set(r#"queue_depth{queue="orders"}"#, 41.0);
    exporter.add(r#"queue_depth{queue="orders"}"#, 1.0);
    let mut prometheus = Prometheus::start(assets, &[exporter.target()], Duration::from_millis(200)).await?;
    let depth = async |prometheus: &Prometheus| {
        for _ in 0..300 {
            if let Some(value) = prometheus.query("queue_depth").await {
                return Some(value);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    };
    assert_eq!(depth(&prometheus).await, Some(42.0));
    prometheus.stop();
    assert_eq!(prometheus.query("queue_depth").await, None);
    prometheus.restart().await?;
    assert_eq!(depth(&prometheus).await, Some(42.0));
    Ok(())
}
