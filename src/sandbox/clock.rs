//! Simulated calendar time: a fixed epoch plus what tokio's clock, which can be paused, has passed since.

use tokio::time::Instant;

use crate::clock::Clock;
use crate::engine::Timestamp;

/// When simulated time begins: 2026-01-01T00:00:00Z.
pub const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A clock that starts at a fixed instant and runs with tokio's time: paused where that is paused.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    epoch: Timestamp,
    started: Instant,
}

impl SimClock {
    /// A clock that shows [`EPOCH`] now.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(EPOCH)
    }

    /// A clock that shows `epoch` now.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, started: Instant::now() }
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed_millis = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.epoch.as_millis().saturating_add(elapsed_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_paused_time() {
        let clock = SimClock::new();
        assert_eq!(clock.now(), EPOCH);
        tokio::time::advance(std::time::Duration::from_millis(90_500)).await;
        assert_eq!(clock.now().millis_since(EPOCH), 90_500);
    }
}
