//! The CustomResourceDefinition as users get it: fresh in the repository, described, bounded and small.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests may

use std::path::PathBuf;

use flyball::api::crd::Definition;
use serde_json::{Value, json};

/// Client-side `kubectl apply` copies the object into an annotation, and annotations end at 262,144 bytes.
const MAX_CRD_BYTES: usize = 200_000;

fn document(definition: Definition) -> Value {
    serde_json::to_value(definition.definition().unwrap()).unwrap()
}

fn schema_of(definition: Definition) -> Value {
    document(definition).pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().clone()
}

/// Every schema below `schema`, with its path as a user would write it.
fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            walk(&format!("{path}.{name}"), property, visit);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(items) = schema.get(key).filter(|items| items.is_object()) {
            walk(&format!("{path}[]"), items, visit);
        }
    }
}

/// The schemas of all kinds that are wrong, by the plural of the kind and their path.
fn offenders(mut wrong: impl FnMut(&str, &Value) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for definition in Definition::ALL {
        walk("", &schema_of(definition), &mut |path, schema| {
            if wrong(path, schema) {
                found.push(format!("{}{path}", definition.plural()));
            }
        });
    }
    found
}

/// Renew with `FLYBALL_REGENERATE=1 cargo test --test crd`.
#[test]
fn files_are_fresh() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crds");
    for definition in Definition::ALL {
        let path = folder.join(format!("{}.yaml", definition.plural()));
        let generated = definition.yaml().unwrap();
        if std::env::var_os("FLYBALL_REGENERATE").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        let mend = "run `FLYBALL_REGENERATE=1 cargo test --test crd`";
        assert!(stored == generated, "{} is not fresh: {mend}", path.display());
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), Definition::ALL.len(), "a file of no kind");
}

#[test]
fn are_small_enough_for_client_side_apply() {
    for definition in Definition::ALL {
        let bytes = definition.yaml().unwrap().len();
        assert!(bytes < MAX_CRD_BYTES, "{}: {bytes} bytes", definition.plural());
    }
}

#[test]
fn every_property_is_described() {
    let undescribed = offenders(|path, schema| {
        // Items are described by their list.
        let described = schema.get("description").and_then(Value::as_str).is_some_and(|text| text.len() > 10);
        !described && !path.ends_with("[]")
    });
    assert_eq!(undescribed, Vec::<String>::new());
}

#[test]
fn every_field_of_the_spec_tells_its_default() {
    let silent = offenders(|path, schema| {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        path.starts_with(".spec.")
            && !path.ends_with("[]")
            && !["efault", "Set exactly when", "Part of"].iter().any(|word| description.contains(word))
    });
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn lists_strings_and_maps_are_bounded() {
    let unbounded = offenders(|path, schema| {
        if path.starts_with(".metadata") || path == ".apiVersion" || path == ".kind" {
            return false; // the API server's own
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => {
                schema.get("maxLength").is_none()
                    && schema.get("enum").is_none()
                    && schema.get("format") != Some(&json!("date-time"))
            }
            Some("array") => schema.get("maxItems").is_none() || schema.get("x-kubernetes-list-type").is_none(),
            Some("object") => schema.get("additionalProperties").is_some() && schema.get("maxProperties").is_none(),
            Some(_) => false,
            None if schema.get("x-kubernetes-preserve-unknown-fields").is_some() => {
                let none_of = |key: &str| schema.get(key) == Some(&json!(0));
                schema.get("maxLength").is_none() || !none_of("maxItems") || !none_of("maxProperties")
            }
            None => schema.get("x-kubernetes-int-or-string").is_none() || schema.get("maxLength").is_none(),
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn integers_of_the_spec_are_bounded_and_of_kubernetes_formats() {
    let odd = offenders(|path, schema| {
        let integer = schema.get("type") == Some(&json!("integer"));
        let format = schema.get("format").and_then(Value::as_str);
        let odd_format = integer && !matches!(format, Some("int32" | "int64"));
        odd_format || (integer && path.starts_with(".spec") && schema.get("minimum").is_none())
    });
    assert_eq!(odd, Vec::<String>::new());
    assert_eq!(offenders(|_, schema| schema.get("type") == Some(&json!("number"))), Vec::<String>::new());
}

#[test]
fn null_means_absent() {
    assert_eq!(offenders(|_, schema| schema.get("nullable").is_some()), Vec::<String>::new());
}

#[test]
fn every_rule_tells_the_mend() {
    for definition in Definition::ALL {
        let mut rules = 0;
        walk("", &schema_of(definition), &mut |path, schema| {
            for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                rules += 1;
                let told = rule.get("message").and_then(Value::as_str).is_some_and(|text| text.len() > 20);
                assert!(told, "{path}: {rule}");
            }
        });
        assert!(rules >= 6, "{}: {rules} rules", definition.plural());
    }
}

#[test]
fn names_and_defaults_are_those_that_users_were_told() {
    let document = document(Definition::ScalingPolicies);
    let at = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
    let cases = [
        ("/metadata/name", json!("scalingpolicies.flyball.dev")),
        ("/spec/names/shortNames", json!(["scp"])),
        ("/spec/names/categories", json!(["autoscaling"])),
        ("/spec/names/listKind", json!("ScalingPolicyList")),
        ("/spec/scope", json!("Namespaced")),
        ("/spec/versions/0/name", json!("v1alpha1")),
        ("/spec/versions/0/subresources/status", json!({})),
        ("/spec/versions/0/selectableFields", json!([{"jsonPath": ".spec.scaleTargetRef.name"}])),
    ];
    for (pointer, expected) in cases {
        assert_eq!(at(pointer), expected, "{pointer}");
    }
    let schema = schema_of(Definition::ScalingPolicies);
    let default = |field: &str| schema.pointer(&format!("/properties/{field}/default")).cloned().unwrap_or_default();
    assert_eq!(default("status"), json!({"observedGeneration": -1}));
    assert_eq!(default("spec/properties/minReplicas"), json!(1));
    assert_eq!(default("spec/properties/pollingPeriodSeconds"), json!(15));
    assert_eq!(default("spec/properties/mode"), json!("Auto"));
    assert_eq!(default("spec/properties/metrics"), Value::Null);
    assert_eq!(schema.pointer("/properties/spec/required"), Some(&json!(["maxReplicas", "scaleTargetRef"])));
}

#[test]
fn sources_have_the_names_that_users_were_told() {
    for (definition, short_name, scope) in [
        (Definition::PrometheusSources, "promsource", "Namespaced"),
        (Definition::ClusterPrometheusSources, "clusterpromsource", "Cluster"),
    ] {
        let document = document(definition);
        assert_eq!(document["metadata"]["name"], format!("{}.flyball.dev", definition.plural()));
        assert_eq!(document["spec"]["names"]["shortNames"], json!([short_name]));
        assert_eq!(document["spec"]["names"]["categories"], json!(["autoscaling"]));
        assert_eq!(document["spec"]["scope"], scope);
        let columns = document["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().clone();
        let narrow = columns.iter().filter(|column| column.get("priority").is_none());
        let names: Vec<_> = narrow.map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Ready", "URL", "Age", "Reason"]);
        let schema = schema_of(definition);
        assert_eq!(schema.pointer("/properties/status/default"), Some(&json!({"observedGeneration": -1})));
        for (field, expected) in [
            ("timeoutSeconds", 5),
            ("maxConcurrency", 16),
            ("maxResponseBytes", 8 * 1024 * 1024),
            ("maxSeries", 10_000),
        ] {
            let default = schema.pointer(&format!("/properties/spec/properties/{field}/default"));
            assert_eq!(default, Some(&json!(expected)), "{field}");
        }
    }
}

/// What a namespace's object cannot say, nobody can make it say: Secrets of others, files of the operator, unchecked certificates.
#[test]
fn namespaced_sources_have_no_fields_of_admins() {
    let paths = |definition| {
        let mut paths = Vec::new();
        walk("", &schema_of(definition), &mut |path, _| paths.push(path.to_owned()));
        paths
    };
    let of_admins = |path: &&String| {
        ["namespace", "tokenFile", "insecureSkipVerify", "allowedNamespaces"]
            .iter()
            .any(|field| path.starts_with(".spec.") && path.rsplit('.').next() == Some(field))
    };
    let namespaced = paths(Definition::PrometheusSources);
    assert_eq!(namespaced.iter().find(of_admins), None);
    let cluster = paths(Definition::ClusterPrometheusSources);
    assert!(cluster.iter().filter(of_admins).count() >= 8, "{cluster:?}");
    let schema = schema_of(Definition::PrometheusSources);
    let bearer = schema.pointer("/properties/spec/properties/auth/properties/bearer").unwrap();
    assert_eq!(bearer["required"], json!(["secretKeyRef"]));
    let mut without = Vec::new();
    walk("", &schema_of(Definition::ClusterPrometheusSources), &mut |path, schema| {
        let has = |list: &Value| list.as_array().is_some_and(|all| all.contains(&json!("namespace")));
        if schema.pointer("/properties/namespace").is_some() && path.starts_with(".spec") && !has(&schema["required"]) {
            without.push(path.to_owned());
        }
    });
    assert_eq!(without, Vec::<String>::new(), "a Secret without a namespace could be anybody's");
}

#[test]
fn at_most_nine_columns_without_wide() {
    for definition in Definition::ALL {
        let columns = document(definition)["spec"]["versions"][0]["additionalPrinterColumns"].clone();
        let columns = columns.as_array().unwrap();
        let narrow = columns.iter().filter(|column| column.get("priority").is_none_or(|priority| priority == 0));
        assert!(narrow.count() <= 9, "{}", definition.plural());
        assert!(columns.iter().all(|column| !column["name"].as_str().unwrap().contains(' ')), "awk splits at spaces");
    }
}
