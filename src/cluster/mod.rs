//! What Kubernetes is to us: kinds and their `/scale`, thin watches of workloads and pods, status and events. Owns every request to the API
//! server; must not decide anything.

pub mod client;
pub mod documents;
pub mod error;
pub mod events;
pub mod informer;
pub mod kinds;
pub mod pods;
pub mod prometheus_sources;
pub mod rivals;
pub mod scale;
pub mod status;
pub mod workloads;

pub use error::ClusterError;
pub use pods::Pods;
pub use scale::{Scales, SeenScale};

use std::time::Duration;

/// Longest that any single request to the API server may take. Shorter than a lease of 15 s, so that no write outlives the claim
/// under which it was sent.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

/// Runs one request under [`REQUEST_DEADLINE`].
///
/// # Errors
/// What the API server answered, or [`ClusterError::Timeout`].
pub(crate) async fn within_deadline<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ClusterError> {
    match tokio::time::timeout(REQUEST_DEADLINE, request).await {
        Ok(answer) => answer.map_err(ClusterError::from),
        Err(_elapsed) => Err(ClusterError::Timeout { seconds: REQUEST_DEADLINE.as_secs() }),
    }
}
