use serde_json::json;

use super::super::registry::{Change, Registry};
use super::*;

/// A world of policies, each named as its Deployment.
#[derive(Default)]
struct World {
    registry: Registry,
    selectors: Selectors,
}

impl World {
    fn subject(&mut self, name: &str, generation: i64) -> Arc<Subject> {
        let object = json!({
            "apiVersion": "flyball.dev/v1alpha1", "kind": "ScalingPolicy",
            "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": generation},
            "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}},
        });
        match self.registry.apply(&serde_json::from_value(object).unwrap())[..] {
            [Change::Due(id)] => self.registry.get_mut(id).unwrap().subject.clone(),
            ref other => panic!("{other:?}"),
        }
    }

    fn hold(&mut self, name: &str, workload: &str, selector: &str) {
        let subject = self.subject(name, 1);
        self.selectors.hold(&subject, (&target(workload), selector)).unwrap();
    }

    fn others(&self, name: &str, labels: &[(&str, &str)]) -> Vec<String> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let labels = Arc::new(Labels::from(labels.collect::<BTreeMap<_, _>>()));
        self.selectors.others(&key(name), &[labels]).into_iter().map(|key| key.name).collect()
    }
}

fn target(name: &str) -> TargetRef {
    TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: name.into() }
}

fn key(name: &str) -> PolicyKey {
    PolicyKey { namespace: "shop".into(), name: name.into() }
}

#[test]
fn others_are_found_by_whatever_their_selectors_ask_for() {
    for (selector, expected) in [
        ("app=web", true),
        ("tier=front", true),
        ("app in (api, web)", true),
        ("app", true),
        ("app!=api", true),
        ("!canary", true),
        ("app=web,tier=back", false),
        ("app=web,tier", true),
        ("app notin (web),tier=front", false),
        ("app=api", false),
        ("!tier", false),
    ] {
        let mut world = World::default();
        world.hold("web", "web", "app=web");
        world.hold("other", "other", selector);
        let found = world.others("web", &[("app", "web"), ("tier", "front")]);
        assert_eq!(found.len(), usize::from(expected), "{selector}: {found:?}");
    }
}

#[test]
fn policies_of_one_workload_do_not_count() {
    let mut world = World::default();
    world.hold("web", "web", "app=web");
    world.hold("web-dry", "web", "app=web");
    assert!(world.others("web", &[("app", "web")]).is_empty());
}

#[test]
fn what_is_released_or_changed_is_found_no_more() {
    let mut world = World::default();
    world.hold("web", "web", "app=web");
    let labels = [("app", "web"), ("tier", "front")];
    for selector in ["app=web", "app in (web,api)", "!canary"] {
        let mut other = World { registry: Registry::default(), selectors: std::mem::take(&mut world.selectors) };
        let subject = other.subject("other", 1);
        other.selectors.hold(&subject, (&target("other"), selector)).unwrap();
        assert_eq!(other.others("web", &labels), ["other"], "{selector}");
        other.selectors.hold(&subject, (&target("other"), "app=other")).unwrap();
        assert!(other.others("web", &labels).is_empty(), "{selector}");
        other.selectors.hold(&subject, (&target("other"), selector)).unwrap();
        assert_eq!(other.selectors.hold(&subject, (&target("other"), " ")), Err(InvalidSelector::Empty));
        assert!(other.others("web", &labels).is_empty(), "{selector}");
        other.selectors.hold(&subject, (&target("other"), selector)).unwrap();
        other.selectors.release(&subject.key);
        assert!(other.others("web", &labels).is_empty(), "{selector}");
        world.selectors = other.selectors;
    }
    world.selectors.release(&key("web"));
    let inner = world.selectors.inner.into_inner().unwrap();
    assert!(inner.by_policy.is_empty() && inner.by_namespace.is_empty(), "nothing is left behind: {inner:?}");
}

#[test]
fn a_policy_that_is_gone_is_not_taken_in_by_its_last_pass() {
    let mut world = World::default();
    world.hold("web", "web", "app=web");
    let subject = world.subject("other", 1);
    world.registry.remove(&subject.key);
    world.selectors.release(&subject.key);
    world.selectors.hold(&subject, (&target("other"), "app=web")).unwrap();
    assert!(world.others("web", &[("app", "web")]).is_empty());
}

#[test]
fn a_label_that_all_share_finds_nobody_and_names_are_bounded() {
    let mut world = World::default();
    for index in 0..50 {
        world.hold(&format!("p{index}"), &format!("p{index}"), &format!("app=p{index},part-of=shop"));
    }
    let inner = world.selectors.inner.lock().unwrap();
    let by_shop = inner.by_namespace["shop"].by_label.get("part-of").map_or(0, |values| values["shop"].len());
    drop(inner);
    assert!(by_shop <= 1, "{by_shop} policies are found by the label that all share");
    for index in 0..9 {
        world.hold(&format!("q{index}"), &format!("q{index}"), "part-of=shop");
    }
    assert_eq!(world.others("p1", &[("app", "p1"), ("part-of", "shop")]).len(), MOST_OTHERS);
}
