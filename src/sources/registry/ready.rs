//! Which sources have become ready since somebody last listened. Must not know who waits for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::api::source::SourceKey;

/// Tells one listener which sources have become ready, each once. Clones are the same; the default one tells nothing.
#[derive(Debug, Clone, Default)]
pub struct Ready(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    /// At most as many as there are sources.
    keys: Mutex<BTreeSet<SourceKey>>,
    rung: Notify,
}

impl Ready {
    /// The sources that have become ready since the last call, once there are any. Whoever gives up waiting loses nothing.
    pub async fn next(&self) -> BTreeSet<SourceKey> {
        loop {
            let keys = std::mem::take(&mut *self.0.keys.lock().unwrap_or_else(PoisonError::into_inner));
            if !keys.is_empty() {
                return keys;
            }
            self.0.rung.notified().await;
        }
    }

    pub(super) fn tell(&self, key: &SourceKey) {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        self.0.rung.notify_one();
    }

    /// What is gone is not ready, and nobody need keep it.
    pub(super) fn forget(&self, key: &SourceKey) {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
