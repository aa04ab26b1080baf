//! The way to the Prometheus that tells usage of pods, and who is told where it refuses us. Must not choose one: that is the registry's.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::engine::Absence;
use crate::sources::prometheus::{QueryForm, RawAnswer, Transport, TransportError};

type Carried = BoxFuture<'static, Result<RawAnswer, TransportError>>;

/// The way to one Prometheus, whatever it is made of. Clones are the same way, and what came over one answers nobody on another.
#[derive(Clone)]
pub struct Way {
    ask: Arc<dyn Fn(QueryForm) -> Carried + Send + Sync>,
    /// Whose it is, where that is not the operator's own flag.
    owner: Option<Arc<str>>,
}

impl Way {
    /// Through `transport`, which should have [`super::limits`].
    pub fn through(transport: impl Transport) -> Self {
        let transport = Arc::new(transport);
        let ask = move |form| -> Carried {
            let transport = Arc::clone(&transport);
            Box::pin(async move { transport.post(form).await })
        };
        Self { ask: Arc::new(ask), owner: None }
    }

    /// The same way as that of `owner`, whom failures name; `refused` hears each time that the server does not take its credentials.
    #[must_use]
    pub fn of(self, owner: &str, refused: impl Fn() + Send + Sync + 'static) -> Self {
        let (ask, refused) = (self.ask, Arc::new(refused));
        let telling = move |form| -> Carried {
            let (answer, refused) = (ask(form), Arc::clone(&refused));
            Box::pin(async move {
                let answer = answer.await;
                let is_refused = match &answer {
                    Ok(raw) => matches!(raw.status, 401 | 403),
                    Err(error) => error.absence() == Absence::Unauthorized,
                };
                if is_refused {
                    refused();
                }
                answer
            })
        };
        Self { ask: Arc::new(telling), owner: Some(owner.into()) }
    }

    /// Asks.
    pub(crate) fn ask(&self, form: QueryForm) -> Carried {
        (self.ask)(form)
    }

    /// What went wrong, with the name of whose way it is.
    pub(super) fn blame(&self, error: &TransportError) -> String {
        match &self.owner {
            Some(owner) => format!("{owner}: {error}"),
            None => error.to_string(),
        }
    }

    /// Whether both are clones of one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ask, &other.ask)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("owner", &self.owner).finish_non_exhaustive()
    }
}
