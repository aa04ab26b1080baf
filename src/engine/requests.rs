//! What a pod requests of a resource: the 100 % of a utilization (HPA rule). Must not know usage or groups.

use std::sync::Arc;

use super::milli::Milli;
use super::observation::{Absence, Absent};
use super::pods::{Container, Pod, PodResources};

/// Why a pod has no request to hold its usage against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRequest {
    /// The container of that name, or the pod as a whole where there is none, requests nothing of the resource.
    RequestMissing {
        /// The container without a request; `None` where pod-level requests were looked at.
        container: Option<Arc<str>>,
    },
    /// The pod has no container of the name that the metric gives.
    ContainerMissing,
}

impl NoRequest {
    /// The same for a reader, with the mend.
    #[must_use]
    pub fn absent(&self, pod: &Pod, resource: &str, container: Option<&str>) -> Absent {
        let pod = &pod.name;
        let mend = format!("set its request for {resource}, or use a target of type AverageValue");
        let (absence, message) = match self {
            Self::RequestMissing { container: Some(container) } => {
                (Absence::RequestMissing, format!("container {container} of pod {pod} requests no {resource}: {mend}"))
            }
            Self::RequestMissing { container: None } => {
                (Absence::RequestMissing, format!("pod {pod} requests no {resource}: {mend}"))
            }
            Self::ContainerMissing => {
                let name = container.unwrap_or_default();
                (Absence::ContainerMissing, format!("pod {pod} has no container {name}: name one that every pod has"))
            }
        };
        Absent { absence, message: message.into() }
    }
}

/// What `pod` requests of `resource`: all of it, or only what `container` requests.
///
/// # Errors
/// Where there is no such request; HPA then gives up the whole metric.
pub fn request_of(pod: &Pod, resource: &str, container: Option<&str>) -> Result<Milli, NoRequest> {
    let resources = &*pod.resources;
    if let Some(name) = container {
        let named = running(resources).find(|container| &*container.name == name).ok_or(NoRequest::ContainerMissing)?;
        return own_request(named, resource);
    }
    if resources.pod_requests.is_empty() {
        let mut sum = Milli::default();
        for container in running(resources) {
            sum = sum.saturating_add(own_request(container, resource)?);
        }
        return Ok(sum);
    }
    let request = resources.pod_requests.get(resource).or_else(|| scheduled(resources, resource));
    match (request, resources.overhead.get(resource)) {
        (None, None) => Err(NoRequest::RequestMissing { container: None }),
        (request, overhead) => Ok(request.unwrap_or_default().saturating_add(overhead.unwrap_or_default())),
    }
}

/// The containers that run while the pod does: the ordinary ones and the sidecars.
fn running(resources: &PodResources) -> impl Iterator<Item = &Container> {
    let sidecars = resources.init_containers.iter().filter(|container| container.restart_always);
    resources.containers.iter().chain(sidecars)
}

fn own_request(container: &Container, resource: &str) -> Result<Milli, NoRequest> {
    let missing = || NoRequest::RequestMissing { container: Some(Arc::clone(&container.name)) };
    container.requests.get(resource).ok_or_else(missing)
}

/// What the scheduler sets aside for a pod without overhead: the sum of what runs side by side, or the peak of its start where that is
/// more. `None` where no container requests anything of the resource.
fn scheduled(resources: &PodResources, resource: &str) -> Option<Milli> {
    let all = || resources.containers.iter().chain(&resources.init_containers);
    if all().all(|container| container.requests.get(resource).is_none()) {
        return None;
    }
    let amount = |container: &Container| container.requests.get(resource).unwrap_or_default();
    let sum = running(resources).fold(Milli::default(), |sum, container| sum.saturating_add(amount(container)));
    // An init container runs beside the sidecars that were started before it.
    let (mut sidecars, mut peak) = (Milli::default(), Milli::default());
    for container in &resources.init_containers {
        let beside = sidecars.saturating_add(amount(container));
        if container.restart_always {
            sidecars = beside;
        }
        peak = peak.max(beside);
    }
    Some(sum.max(peak))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Phase, Requests};

    fn requests(cpu: Option<i64>) -> Requests {
        cpu.map(|cpu| ("cpu".into(), Milli::new(cpu))).into_iter().collect()
    }

    fn container(name: &str, cpu: Option<i64>, restart_always: bool) -> Container {
        Container { name: name.into(), requests: requests(cpu), restart_always }
    }

    fn pod(resources: PodResources) -> Pod {
        Pod {
            name: "web-1".into(),
            phase: Phase::Running,
            deleting: false,
            ready: None,
            started: None,
            resources: Arc::new(resources),
        }
    }

    fn app_and(init: Vec<Container>) -> PodResources {
        PodResources {
            containers: vec![container("app", Some(100), false)],
            init_containers: init,
            ..PodResources::default()
        }
    }

    #[test]
    fn containers_and_sidecars_are_summed_and_every_one_needs_a_request() {
        let with_sidecar = pod(app_and(vec![container("log", Some(50), true), container("setup", Some(900), false)]));
        assert_eq!(request_of(&with_sidecar, "cpu", None), Ok(Milli::new(150)));
        assert_eq!(request_of(&with_sidecar, "cpu", Some("app")), Ok(Milli::new(100)));
        assert_eq!(request_of(&with_sidecar, "cpu", Some("log")), Ok(Milli::new(50)));
        assert_eq!(request_of(&with_sidecar, "cpu", Some("setup")), Err(NoRequest::ContainerMissing));
        let without = pod(app_and(vec![container("log", None, true)]));
        let missing = request_of(&without, "cpu", None).unwrap_err();
        assert_eq!(
            &*missing.absent(&without, "cpu", None).message,
            "container log of pod web-1 requests no cpu: set its request for cpu, or use a target of type AverageValue"
        );
        assert_eq!(request_of(&without, "cpu", Some("app")), Ok(Milli::new(100)));
    }

    #[test]
    fn pod_level_requests_come_first_and_bring_the_overhead_along() {
        let memory: Requests = [("memory".into(), Milli::new(7))].into_iter().collect();
        let table = [
            ("its own", requests(Some(800)), vec![], None, Ok(800)),
            ("with overhead", requests(Some(800)), vec![], Some(50), Ok(850)),
            ("of another resource", memory.clone(), vec![], Some(50), Ok(150)),
            ("the start's peak", memory.clone(), vec![("a", 30, true), ("b", 300, false)], None, Ok(330)),
            ("a late sidecar", memory.clone(), vec![("b", 120, false), ("a", 30, true)], None, Ok(130)),
        ];
        for (name, pod_requests, init, overhead, expected) in table {
            let init = init.into_iter().map(|(name, cpu, always)| container(name, Some(cpu), always)).collect();
            let resources = PodResources { pod_requests, overhead: requests(overhead), ..app_and(init) };
            assert_eq!(request_of(&pod(resources), "cpu", None), expected.map(Milli::new), "{name}");
        }
        let nothing = PodResources { pod_requests: memory, ..PodResources::default() };
        let missing = NoRequest::RequestMissing { container: None };
        assert_eq!(request_of(&pod(nothing), "cpu", None), Err(missing));
    }
}
