//! `flyball import`: other autoscalers as ScalingPolicies. Reads files, standard input or a cluster, prints YAML with comments or JSON,
//! and ends with 1 where something could not be expressed. The translation is `import`'s; nothing is ever written to a cluster.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::UsageError;
use super::kubeconfig::configuration;
use crate::import::{Draft, Outcome, Rules, import, objects, title};
use crate::view::text::{safe, sentence};

/// Most bytes of one input: more than any manifest, less than what would hurt.
const MAX_INPUT_BYTES: u64 = 64 << 20;
/// Objects that the API server is asked for at once (kubectl's own number).
const PAGE: u32 = 500;

/// What to import, and how to print it.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Files of manifests, - for standard input, hpa/NAME or scaledobject/NAME in the cluster, or hpa with --all or -A
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Namespace of what is read from the cluster [default: the one of the kubeconfig context]
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// All of the namespace
    #[arg(long)]
    pub all: bool,
    /// All of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Rules of prometheus-adapter (its config.yaml, or the values of its chart): turns Object and External metrics into queries
    #[arg(long, value_name = "FILE")]
    pub adapter_rules: Option<PathBuf>,
    /// Form of the policies; JSON has no comments, so they go to standard error
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    pub output: Output,
    /// Context of the kubeconfig [default: the current one]
    #[arg(long)]
    pub context: Option<String>,
    /// Path of the kubeconfig [default: $KUBECONFIG or ~/.kube/config]
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
}

/// The form of the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// Documents with comments.
    #[default]
    Yaml,
    /// One object, or a List of several.
    Json,
}

/// Where objects come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Input,
    File(PathBuf),
    /// A kind of [`KINDS`] by index, and a name or all.
    Cluster(usize, Option<String>),
}

/// What is read from a cluster: group, version, kind, and plural; then the words for it (as kubectl's).
const KINDS: &[([&str; 4], &[&str])] = &[
    (
        ["autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"],
        &["hpa", "horizontalpodautoscaler", "horizontalpodautoscalers"],
    ),
    (["keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"], &["so", "scaledobject", "scaledobjects"]),
];

/// Prints all policies that can be made, and what differs.
///
/// # Errors
/// If a source cannot be read, or holds something that no policy can express.
pub async fn run(args: ImportArgs) -> anyhow::Result<()> {
    let sources: Vec<Source> = args.sources.iter().map(|text| source(text, &args)).collect::<Result<_, _>>()?;
    let rules = args.adapter_rules.as_deref().map(rules).transpose()?;
    let mut tally = Tally { rules, ..Tally::default() };
    let mut client = None;
    for source in &sources {
        let (origin, found) = match source {
            Source::Input => ("standard input".to_owned(), local("standard input", std::io::stdin().lock())?),
            Source::File(path) => {
                let name = path.display().to_string();
                let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
                let found = local(&name, file)?;
                (name, found)
            }
            Source::Cluster(kind, name) => {
                let client = match &client {
                    Some(client) => client,
                    None => client.insert(connect(&args).await?),
                };
                ("cluster".to_owned(), remote(client, (*kind, name.as_deref()), &args).await?)
            }
        };
        found.iter().for_each(|object| tally.count(&origin, object));
    }
    std::io::stdout().lock().write_all(tally.printed(args.output)?.as_bytes())?;
    tally.verdict()
}

/// What an argument means: a kind's word before a slash is the cluster's, unless there is such a file.
fn source(text: &str, args: &ImportArgs) -> Result<Source, UsageError> {
    if text == "-" {
        return Ok(Source::Input);
    }
    let (word, name) = text.split_once('/').map_or((text, None), |(word, name)| (word, Some(name)));
    let kind = KINDS.iter().position(|(_, words)| words.contains(&word));
    let Some(kind) = kind.filter(|_| !Path::new(text).is_file()) else { return Ok(Source::File(text.into())) };
    match name {
        Some("") => Err(UsageError(format!("{word}/ names no object: write {word}/NAME"))),
        Some(name) => Ok(Source::Cluster(kind, Some(name.to_owned()))),
        None if args.all || args.all_namespaces => Ok(Source::Cluster(kind, None)),
        None => Err(UsageError(format!("{word} names no object: write {word}/NAME, or {word} --all or {word} -A"))),
    }
}

/// The rules of prometheus-adapter.
fn rules(path: &Path) -> anyhow::Result<Rules> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    Rules::read(&bounded(&name, file)?).map_err(|error| anyhow!("--adapter-rules {name} {error}"))
}

/// The objects of a manifest.
fn local(name: &str, input: impl Read) -> anyhow::Result<Vec<Value>> {
    objects(&bounded(name, input)?).map_err(|error| anyhow!("{name} {error}"))
}

/// The text of an input that is not too large.
pub(super) fn bounded(name: &str, input: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    input.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_INPUT_BYTES {
        bail!("{name} is larger than {} MiB: split it", MAX_INPUT_BYTES >> 20);
    }
    Ok(text)
}

async fn connect(args: &ImportArgs) -> anyhow::Result<Client> {
    let config = configuration(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    Client::try_from(config).context("the kubeconfig does not make a client")
}

/// The objects of a cluster.
async fn remote(client: &Client, (kind, name): (usize, Option<&str>), args: &ImportArgs) -> anyhow::Result<Vec<Value>> {
    let [group, version, kind, plural] = KINDS[kind].0;
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    let namespace = args.namespace.as_deref().unwrap_or_else(|| client.default_namespace());
    let api: Api<DynamicObject> = match args.all_namespaces {
        true if name.is_none() => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let failed = |error: kube::Error| match error {
        kube::Error::Api(status) => anyhow!("the API server refused to read {plural}: {}", sentence(&status.message)),
        other => anyhow!(other).context("the API server could not be asked"),
    };
    let found = match name {
        Some(name) => vec![api.get(name).await.map_err(failed)?],
        None => {
            let (mut found, mut parameters) = (Vec::new(), ListParams::default().limit(PAGE));
            loop {
                let page = api.list(&parameters).await.map_err(failed)?;
                found.extend(page.items);
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => parameters = parameters.continue_token(&token),
                    None => break found,
                }
            }
        }
    };
    let typed = |object: DynamicObject| {
        let mut object = serde_json::to_value(object)?;
        // Items of a list come without them.
        object["apiVersion"] = json!(format!("{group}/{version}"));
        object["kind"] = json!(kind);
        Ok(object)
    };
    found.into_iter().map(typed).collect()
}

/// What became of everything that was read.
#[derive(Debug, Default)]
struct Tally {
    rules: Option<Rules>,
    drafts: Vec<Draft>,
    refused: usize,
}

impl Tally {
    /// Translates one object; what is no policy is told on standard error.
    fn count(&mut self, origin: &str, object: &Value) {
        match import(object, self.rules.as_ref()) {
            Outcome::Policy(draft) => self.drafts.push(draft),
            Outcome::PassedOver(why) => eprintln!("note: {}: {}", safe(origin), safe(&why)),
            Outcome::Refused(problems) => {
                self.refused += 1;
                for problem in problems {
                    let told = format!("{origin}: {}: {problem}", title(object));
                    eprintln!("error: {}", safe(&told));
                }
            }
        }
    }

    fn printed(&self, output: Output) -> anyhow::Result<String> {
        match output {
            Output::Yaml => {
                let documents = self.drafts.iter().map(Draft::yaml).collect::<Result<Vec<_>, _>>()?;
                Ok(documents.join("---\n"))
            }
            Output::Json => {
                for draft in &self.drafts {
                    let name = title(&draft.object);
                    for note in &draft.notes {
                        let place = if note.field.is_empty() { String::new() } else { format!("{}: ", note.field) };
                        eprintln!("note: {}", safe(&format!("{name}: {place}{}", note.text)));
                    }
                }
                let objects: Vec<&Value> = self.drafts.iter().map(|draft| &draft.object).collect();
                Ok(match objects.as_slice() {
                    [] => String::new(),
                    [one] => format!("{one:#}\n"),
                    several => format!("{:#}\n", json!({"apiVersion": "v1", "kind": "List", "items": several})),
                })
            }
        }
    }

    fn verdict(&self) -> anyhow::Result<()> {
        let (made, refused) = (self.drafts.len(), self.refused);
        match (made, refused) {
            (0, 0) => bail!("there is no HorizontalPodAutoscaler and no ScaledObject to import"),
            (_, 0) => Ok(()),
            _ => bail!("{refused} of {} autoscalers cannot be expressed as a policy and were left out", made + refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_files_input_and_the_cluster() {
        let args = |all| ImportArgs {
            sources: Vec::new(),
            namespace: None,
            all,
            all_namespaces: false,
            adapter_rules: None,
            output: Output::Yaml,
            context: None,
            kubeconfig: None,
        };
        let cases = [
            ("-", false, Some(Source::Input)),
            ("web.yaml", false, Some(Source::File("web.yaml".into()))),
            ("dir/hpa.yaml", false, Some(Source::File("dir/hpa.yaml".into()))),
            ("hpa/web", false, Some(Source::Cluster(0, Some("web".into())))),
            ("so/web", false, Some(Source::Cluster(1, Some("web".into())))),
            ("hpa", true, Some(Source::Cluster(0, None))),
            ("hpa", false, None),
            ("hpa/", false, None),
        ];
        for (text, all, expected) in cases {
            assert_eq!(source(text, &args(all)).ok(), expected, "{text}");
        }
    }
}
