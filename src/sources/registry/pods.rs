//! Usage of pods goes to the default source as well: over its connection, with limits of its own. Who may use it is the registry's word.

use std::sync::Arc;

use super::{Connect, Found, Registry};
use crate::api::query::SourceRef;
use crate::api::source::SourceKey;
use crate::engine::{Absence, Absent};
use crate::sources::prometheus::usage::Way;

/// What to do where nobody tells usage of pods.
const NOWHERE: &str = "usage of pods is asked of ClusterPrometheusSource \"default\", or else at --prometheus-url, and there is neither; \
                       give one of them, or run Flyball with --pod-metrics-from metrics-api";

impl<K: Connect> Registry<K> {
    /// The way to what tells usage of the pods of `namespace`: the source named `default`, or, where there is no such object, `flag`, which
    /// the operator's own flag made. A source whose connection has changed has another way.
    ///
    /// # Errors
    /// There is neither, or the object does not allow the namespace, or cannot be asked.
    pub fn pod_usage(&self, namespace: &str, flag: Option<&Way>) -> Result<Way, Absent> {
        let source = SourceRef::default();
        let nowhere = || Absent { absence: Absence::SourceNotFound, message: NOWHERE.into() };
        let client = match self.find(&source, namespace) {
            Ok(Found::Object(client)) => client,
            Ok(Found::Flag(_)) => return flag.cloned().ok_or_else(nowhere),
            Err(absent) if absent.absence == Absence::SourceNotFound => return Err(nowhere()),
            Err(absent) => return Err(absent),
        };
        let made = client.pods.get_or_init(|| {
            let way = self.inner.connector.pod_usage(&client.connection).map_err(|error| error.message)?;
            let (key, refused) = (SourceKey::of(&source, namespace), self.inner.refused.clone());
            let owner = key.to_string();
            // Where nobody listens, or too many wait, the next regular look finds it.
            Ok(way.of(&owner, move || drop(refused.try_send(key.clone()))))
        });
        made.clone().map_err(|message| {
            let message = format!("{}: {message}", SourceKey::of(&source, namespace));
            Absent { absence: Absence::SourceNotReady, message: Arc::from(message) }
        })
    }

    /// [`Self::pod_usage`] of any namespace, for who asks again and again.
    pub fn pod_usages(&self, flag: Option<Way>) -> impl Fn(&str) -> Result<Way, Absent> + Send + Sync + use<K> {
        let registry = self.clone();
        move |namespace| registry.pod_usage(namespace, flag.as_ref())
    }
}
