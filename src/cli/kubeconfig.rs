//! Which cluster a command talks to. One order for all commands: --kubeconfig, --context within what kubectl would read, `$KUBECONFIG`,
//! `~/.kube/config`, the pod's service account. Must not connect.

use std::path::Path;

use anyhow::Context as _;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::view::text::safe;

/// The cluster that the arguments of a command name, or the current one.
///
/// # Errors
/// A sentence that names what could not be used, and what to do. What was named is used or refused, never passed over for another.
pub(super) async fn configuration(kubeconfig: Option<&Path>, context: Option<&str>) -> anyhow::Result<Config> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let made = match (kubeconfig, context) {
        (Some(path), _) => {
            let read =
                Kubeconfig::read_from(path).with_context(|| format!("cannot read kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(read, &options).await
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await,
        (None, None) => {
            return Config::infer().await.context(
                "no cluster to talk to: neither $KUBECONFIG, ~/.kube/config nor a service account could be used; name one with --kubeconfig",
            );
        }
    };
    made.with_context(|| match context {
        Some(context) => {
            format!("kubeconfig has no usable context `{}`; see `kubectl config get-contexts`", safe(context))
        }
        None => "the kubeconfig is not usable; see `kubectl config view`".to_owned(),
    })
}

#[cfg(test)]
mod tests;
