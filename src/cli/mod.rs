//! One file per command. Owns arguments, exit codes and what is printed; everything else is somebody else's room.

pub mod check;
pub mod crd;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod explain;
pub mod import;
mod kubeconfig;
pub mod run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// The Kubernetes autoscaler that reads Prometheus and can always say why.
#[derive(Debug, Parser)]
#[command(name = "flyball", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator
    Run(run::RunArgs),
    /// Show why a policy has the replicas that it has
    Explain(explain::ExplainArgs),
    /// Print HorizontalPodAutoscalers and ScaledObjects as ScalingPolicies
    Import(import::ImportArgs),
    /// Check policies and their PromQL without a cluster
    Check(check::CheckArgs),
    /// Show the controller at work on an embedded cluster: no Kubernetes, no Prometheus needed
    #[cfg(feature = "sandbox")]
    Demo(demo::DemoArgs),
    /// Print the definition of the custom resource, for kubectl apply --server-side -f -
    Crd,
    /// Print a completion script, to be sourced by the shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
}

/// The exit code for arguments that were understood but cannot be used (as clap's own for those that were not).
const USAGE: u8 = 2;

/// An argument was understood but cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Runs the command that the arguments name. The exit code is 0 for success, 1 for failure, 2 for unusable arguments.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => blocking(run::run(args)),
        Command::Explain(args) => blocking(explain::run(args)),
        Command::Import(args) => blocking(import::run(args)),
        Command::Check(args) => check::run(args),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(args),
        Command::Crd => crd::run(),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "flyball", &mut std::io::stdout());
            Ok(())
        }
        Command::Version => {
            println!("flyball {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { USAGE } else { 1 })
        }
    }
}

fn blocking(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
