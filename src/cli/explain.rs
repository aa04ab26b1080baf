//! `flyball explain`: why a workload has the size it has. Reads one ScalingPolicy and draws its published decision, and tells with which
//! other policies its requests are shared; asks nothing else and decides nothing.

mod sharing;

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use serde::Serialize;
use serde_json::Value;

use self::sharing::SharedRequests;
use super::kubeconfig::configuration;
use crate::api::status::{LastDecision, ScalingPolicyStatus};
use crate::cluster::error::with_causes;
use crate::view::text::{safe, sentence};
use crate::view::{Style, Subject, waterfall};

/// What to explain, and how.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Name of the ScalingPolicy; scp/NAME, as kubectl writes it, means the same
    pub name: String,
    /// Namespace of the ScalingPolicy [default: the one of the kubeconfig context]
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Context of the kubeconfig [default: the current one]
    #[arg(long)]
    pub context: Option<String>,
    /// Path of the kubeconfig [default: $KUBECONFIG or ~/.kube/config]
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// Sentences and the waterfall, for people.
    #[default]
    Text,
    /// Conditions and the decision as JSON.
    Json,
    /// Conditions and the decision as YAML.
    Yaml,
}

/// What is known of one policy; also the shape of `-o json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    name: String,
    namespace: String,
    target: String,
    conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_decision: Option<LastDecision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_requests: Option<SharedRequests>,
}

/// The kind, as kubectl lets one write it in front of a name.
const KIND_PREFIXES: [&str; 3] = ["scp/", "scalingpolicy/", "scalingpolicies/"];

/// Reads the policy and prints why. Every error is one sentence that names what to do.
pub async fn run(args: ExplainArgs) -> anyhow::Result<()> {
    let config = configuration(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    let client = Client::try_from(config).context("the kubeconfig does not make a client")?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let explanation = read(client, bare(&args.name), &namespace).await?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    print!("{}", render(&explanation, args.output, Style { colour })?);
    Ok(())
}

/// The name without the kind in front of it; names hold no `/`.
fn bare(name: &str) -> &str {
    KIND_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// The explanation of policy `name`, or a sentence that says why there is none.
async fn read(client: Client, name: &str, namespace: &str) -> anyhow::Result<Explanation> {
    let kind = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("flyball.dev", "v1alpha1", "ScalingPolicy"),
        "scalingpolicies",
    );
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    let object = api.get(name).await.map_err(|error| refusal(error, name, namespace))?;
    let shared_requests = sharing::of(&client, &kind, &object).await;
    Ok(Explanation { shared_requests, ..explanation(&object, namespace) })
}

fn refusal(error: kube::Error, name: &str, namespace: &str) -> anyhow::Error {
    let (name, namespace) = (safe(name), safe(namespace));
    match error {
        // The API server names the object only where it knows the kind.
        kube::Error::Api(status) if status.code == 404 && status.message.contains(&format!("{name:?}")) => anyhow!(
            "there is no ScalingPolicy {name:?} in namespace {namespace:?}; name its namespace with -n, or find it with `kubectl get scp -A`"
        ),
        kube::Error::Api(status) if status.code == 404 => {
            anyhow!("this cluster does not know ScalingPolicies; install them with `flyball crd | kubectl apply -f -`")
        }
        kube::Error::Api(status) if status.code == 401 || status.code == 403 => anyhow!(
            "the cluster does not let you read ScalingPolicies in namespace {namespace:?}: {}",
            sentence(&status.message)
        ),
        kube::Error::Api(status) => anyhow!("the API server refused: {}", sentence(&status.message)),
        other => anyhow!("the API server could not be asked: {}", sentence(&with_causes(&other))),
    }
}

/// What `object` says. Reads leniently: an operator older or newer than this binary may have written it.
fn explanation(object: &DynamicObject, namespace: &str) -> Explanation {
    let part = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let target = object.data.pointer("/spec/scaleTargetRef").cloned().unwrap_or_default();
    let status = object.data.get("status").cloned().unwrap_or_default();
    let whole = serde_json::from_value::<ScalingPolicyStatus>(status.clone()).ok();
    let piece = |name: &str| status.get(name).cloned().unwrap_or_default();
    let (conditions, last_decision) = match whole {
        Some(status) => (status.conditions, status.last_decision),
        None => (
            serde_json::from_value(piece("conditions")).unwrap_or_default(),
            serde_json::from_value(piece("lastDecision")).ok(),
        ),
    };
    Explanation {
        name: object.metadata.name.clone().unwrap_or_default(),
        namespace: object.metadata.namespace.clone().unwrap_or_else(|| namespace.to_owned()),
        target: format!("{}/{}", part(&target, "kind"), part(&target, "name")),
        conditions,
        last_decision,
        shared_requests: None,
    }
}

fn render(explanation: &Explanation, output: Output, style: Style) -> anyhow::Result<String> {
    let structured = || serde_json::to_value(explanation).map(cleaned).context("cannot write the explanation");
    match output {
        Output::Text => text(explanation, style),
        Output::Json => Ok(format!("{:#}\n", structured()?)),
        Output::Yaml => {
            let yaml = serde_saphyr::to_string(&structured()?).context("cannot write the explanation")?;
            Ok(format!("{}\n", yaml.trim_end()))
        }
    }
}

/// `value` with every string made safe for a terminal.
fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(safe(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(cleaned).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (safe(&name), cleaned(value))).collect())
        }
        other => other,
    }
}

fn text(explanation: &Explanation, style: Style) -> anyhow::Result<String> {
    let subject = format!("{}/{}", safe(&explanation.namespace), safe(&explanation.name));
    let Some(decision) = &explanation.last_decision else {
        bail!("{subject} has no decision yet: {}", undecided(&explanation.conditions));
    };
    let mut out = String::new();
    for condition in explanation.conditions.iter().filter(|condition| !good(condition)) {
        let (kind, status, reason) = (safe(&condition.type_), safe(&condition.status), safe(&condition.reason));
        out.push_str(&format!("! {kind}={status} {reason}: {}\n", sentence(&condition.message)));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&waterfall(&Subject { name: subject, target: explanation.target.clone() }, decision, style));
    if let Some(shared) = &explanation.shared_requests {
        out.push_str(&format!("\n{}", sharing::text(shared)));
    }
    Ok(out)
}

/// Why nothing was decided, by the condition that knows.
fn undecided(conditions: &[Condition]) -> String {
    let known = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind && !good(condition));
    match ["Stalled", "Ready", "ScalingActive", "AbleToScale"].into_iter().find_map(known) {
        Some(condition) => format!("{} ({})", sentence(&condition.message), safe(&condition.reason)),
        None => "Flyball has not looked at it. Is the operator running, and does it watch this namespace?".to_owned(),
    }
}

/// Whether a condition is as it is on a quiet day. Kinds that nobody knows say nothing bad.
fn good(condition: &Condition) -> bool {
    match condition.type_.as_str() {
        "Ready" | "AbleToScale" | "ScalingActive" => condition.status == "True",
        "ScalingLimited" | "Stalled" | "Paused" | "DryRun" | "AmbiguousSelector" => condition.status == "False",
        _ => true,
    }
}

#[cfg(test)]
mod tests;
