//! Which policies share the requests of a query: planned from what the policies ask, as the desk plans it from what is asked at one
//! instant. For people to read. Pure: asks nobody, and knows nothing of what the desk learned from requests that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

use super::fuse::{FuseLimits, Fused, Member, Template, fuse};
use crate::sources::{MetricQuery, SourceKind};

/// Policies that are named; of the others only the number is told. An explanation is to be read, and 500 names are not.
pub const MAX_NAMED: usize = 20;

/// A query that a policy asks again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// The namespace of the policy.
    pub namespace: Arc<str>,
    /// The name of the policy.
    pub policy: Arc<str>,
    /// What it asks.
    pub query: MetricQuery,
    /// When: the period and the phase in it, both in milliseconds. Those of one rhythm ask at the same instants.
    pub rhythm: (u64, u64),
}

/// With whom a query shares its requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sharing {
    /// The policies that ask exactly the same.
    pub same_query: Company,
    /// The policies whose queries differ in label values only, and are in the same request.
    pub same_request: Company,
    /// What the queries of one request have in common, with `?` for each value that may differ; `None` for one that is never asked
    /// together with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
    /// Why it is never asked together with others, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone_because: Option<String>,
}

/// Other policies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Company {
    /// How many.
    pub total: usize,
    /// The first of them as `namespace/name`, in their order, [`MAX_NAMED`] at most.
    pub policies: Vec<String>,
}

/// With whom `own` shares its requests, of `all` that are asked. The policy's own metrics are not told as company.
#[must_use]
pub fn sharing(own: &Asking, all: &[Asking]) -> Sharing {
    // Each question once, as the desk asks it; the order of the text makes the plan the same for everybody who looks.
    let mut askers: BTreeMap<&str, Vec<&Asking>> = BTreeMap::from([(&*own.query.promql, Vec::new())]);
    for asking in all.iter().filter(|asking| own.meets(asking)) {
        askers.entry(&asking.query.promql).or_default().push(asking);
    }
    let same_query = company(own, askers.get(&*own.query.promql).into_iter().flatten().copied());
    let template = match Template::of(&own.query.promql) {
        Ok(template) => template,
        Err(alone) => {
            let (shape, alone_because) = (None, Some(alone.to_string()));
            return Sharing { same_query, same_request: Company::default(), shape, alone_because };
        }
    };
    let shape = template.shape().as_str().to_owned();
    let templates: Vec<Template> = askers
        .keys()
        .filter_map(|promql| Template::of(promql).ok().filter(|other| other.shape() == template.shape()))
        .collect();
    let members = members_with(&template, &templates);
    let others = members.iter().filter(|promql| **promql != &*own.query.promql);
    let same_request = company(own, others.filter_map(|promql| askers.get(promql)).flatten().copied());
    Sharing { same_query, same_request, shape: Some(shape), alone_because: None }
}

/// The queries in the request that asks `own`, of the requests that ask all of `templates`.
fn members_with<'a>(own: &Template, templates: &'a [Template]) -> Vec<&'a str> {
    let queries = |fused: &Fused| -> Vec<&'a str> {
        let places = fused.members().iter().flat_map(Member::templates);
        places.filter_map(|place| templates.get(*place)).map(|template| &**template.promql()).collect()
    };
    let requests = fuse(&templates.iter().collect::<Vec<_>>(), FuseLimits::default());
    requests.iter().map(queries).find(|queries| queries.contains(&&**own.promql())).unwrap_or_default()
}

impl Asking {
    /// A word that is the same for all questions which share a request, unless there are so many that they are split: for a metric's
    /// label. The same in every process of one build.
    #[must_use]
    pub fn request_word(&self) -> String {
        let mut hasher = DefaultHasher::new();
        let MetricQuery { source, promql, .. } = &self.query;
        let namespace = (source.kind == SourceKind::Namespaced).then_some(&self.namespace);
        (source.kind, namespace, &source.name, self.rhythm).hash(&mut hasher);
        match Template::of(promql) {
            Ok(template) => template.shape().as_str().hash(&mut hasher),
            Err(_) => promql.hash(&mut hasher),
        }
        format!("{:016x}", hasher.finish())
    }

    /// Whether both are asked of one source at the same instants.
    fn meets(&self, other: &Self) -> bool {
        let (own, its) = (&self.query.source, &other.query.source);
        // Namesakes of two namespaces are two sources.
        let one_source = own == its && (own.kind == SourceKind::Cluster || self.namespace == other.namespace);
        one_source && self.rhythm == other.rhythm
    }
}

/// The policies behind `askings`, but for that of `own`.
fn company<'a>(own: &Asking, askings: impl Iterator<Item = &'a Asking>) -> Company {
    let key = |asking: &'a Asking| (&*asking.namespace, &*asking.policy);
    let policies: BTreeSet<(&str, &str)> =
        askings.map(key).filter(|key| *key != (&*own.namespace, &*own.policy)).collect();
    let named = policies.iter().take(MAX_NAMED).map(|(namespace, name)| format!("{namespace}/{name}"));
    Company { total: policies.len(), policies: named.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{SeriesRule, SourceRef};

    const RHYTHM: (u64, u64) = (15_000, 3_000);

    fn asking(policy: &str, promql: &str) -> Asking {
        let (namespace, policy) = policy.split_once('/').unwrap();
        let query = MetricQuery {
            source: SourceRef::default(),
            promql: promql.into(),
            series: SeriesRule::Sum,
            max_sample_age_seconds: None,
        };
        Asking { namespace: namespace.into(), policy: policy.into(), query, rhythm: RHYTHM }
    }

    fn of_source(asking: Asking, kind: SourceKind, name: &str) -> Asking {
        let source = SourceRef { kind, name: name.into() };
        Asking { query: MetricQuery { source, ..asking.query }, ..asking }
    }

    #[test]
    fn questions_of_one_request_have_one_word() {
        let rate = |app: &str| format!("sum(rate(requests_total{{app=\"{app}\"}}[2m]))");
        let own = asking("shop/web", &rate("web"));
        let word = own.request_word();
        assert_eq!(word.len(), 16, "{word}");
        assert_eq!(asking("bank/pay", &rate("pay")).request_word(), word, "one shape");
        for other in [
            asking("shop/web", "sum(rate(errors_total{app=\"web\"}[2m]))"),
            Asking { rhythm: (15_000, 4_500), ..own.clone() },
            of_source(own.clone(), SourceKind::Cluster, "other"),
            of_source(own.clone(), SourceKind::Namespaced, "default"),
            asking("shop/web", "vector(1) or up"),
        ] {
            assert_ne!(other.request_word(), word, "{other:?}");
        }
        let team = |policy| of_source(asking(policy, &rate("web")), SourceKind::Namespaced, "team").request_word();
        assert_ne!(team("shop/web"), team("bank/web"), "namesakes of two namespaces are two sources");
        assert_eq!(asking("a/b", "vector(1) or up").request_word(), asking("c/d", "vector(1) or up").request_word());
    }

    /// Who asks the same, who is in the same request.
    fn told(own: &Asking, all: &[Asking]) -> (String, String) {
        let sharing = sharing(own, all);
        (sharing.same_query.policies.join(" "), sharing.same_request.policies.join(" "))
    }

    #[test]
    fn queries_of_one_shape_source_and_rhythm_share() {
        let own = asking("shop/web", r#"sum(rate(hits{app="web"}[2m]))"#);
        let cart = r#"sum(rate(hits{app="cart"}[2m]))"#;
        let named = |policy, kind| of_source(asking(policy, cart), kind, "own");
        let cases = [
            ("one shape", own.clone(), asking("shop/cart", cart), ("", "shop/cart")),
            ("spelt otherwise", own.clone(), asking("a/b", "sum( rate(hits{app='cart'}[2m]) )"), ("", "a/b")),
            ("the same", own.clone(), asking("shop/canary", &own.query.promql), ("shop/canary", "")),
            (
                "the same in other words",
                own.clone(),
                asking("shop/canary", "sum(rate(hits{app='web'}[2m]))"),
                ("", "shop/canary"),
            ),
            ("another window", own.clone(), asking("shop/cart", &cart.replace("2m", "3m")), ("", "")),
            ("another phase", own.clone(), Asking { rhythm: (15_000, 4_500), ..asking("shop/cart", cart) }, ("", "")),
            ("another period", own.clone(), Asking { rhythm: (30_000, 3_000), ..asking("shop/cart", cart) }, ("", "")),
            ("another source", own.clone(), named("shop/cart", SourceKind::Cluster), ("", "")),
            ("own metric", own.clone(), asking("shop/web", cart), ("", "")),
            (
                "a source of the namespace",
                of_source(own.clone(), SourceKind::Namespaced, "own"),
                named("shop/cart", SourceKind::Namespaced),
                ("", "shop/cart"),
            ),
            (
                "its namesake elsewhere",
                of_source(own, SourceKind::Namespaced, "own"),
                named("other/cart", SourceKind::Namespaced),
                ("", ""),
            ),
        ];
        for (case, own, other, (same, together)) in cases {
            assert_eq!(told(&own, &[own.clone(), other]), (same.to_owned(), together.to_owned()), "{case}");
        }
    }

    #[test]
    fn what_is_asked_alone_says_why_and_still_shares_with_its_equals() {
        let own = asking("shop/web", r#"label_replace(load{app="web"}, "a", "b", "c", "d")"#);
        let sharing = sharing(&own, &[asking("shop/canary", &own.query.promql), asking("shop/cart", "up")]);
        assert_eq!(sharing.same_query, Company { total: 1, policies: vec!["shop/canary".into()] });
        assert_eq!((sharing.same_request, sharing.shape), (Company::default(), None));
        assert_eq!(
            sharing.alone_because.as_deref(),
            Some("The function label_replace() is not known to yield the same in a shared request.")
        );
    }

    #[test]
    fn a_large_company_is_counted_and_named_in_part_whatever_its_order() {
        let mut all: Vec<Asking> =
            (0..42).map(|app| asking(&format!("shop/app-{app:02}"), &format!(r#"load{{app="{app}"}}"#))).collect();
        let own = all[7].clone();
        let first = sharing(&own, &all);
        assert_eq!((first.same_request.total, first.same_request.policies.len()), (41, MAX_NAMED));
        assert_eq!(first.same_request.policies[7], "shop/app-08");
        assert_eq!(first.shape.as_deref(), Some(r#"load{app="?"}"#));
        all.reverse();
        assert_eq!(sharing(&own, &all), first);
    }

    /// Beyond the members that a request takes, the plan is that of the desk.
    #[test]
    fn only_those_of_the_same_request_are_company() {
        let all: Vec<Asking> =
            (0..700).map(|app| asking(&format!("shop/app-{app:03}"), &format!(r#"load{{app="{app:03}"}}"#))).collect();
        assert_eq!(sharing(&all[0], &all).same_request.total, 499);
        assert_eq!(sharing(&all[699], &all).same_request.total, 199);
    }
}
