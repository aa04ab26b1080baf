//! How fast one source is asked, where its owner limits that. A pure structure: instants come in as values, nobody waits here.

use std::time::Duration;

/// Spaces requests evenly: two a second means one each 500 ms, so that no second ever sees more, wherever it begins.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Duration,
}

impl Pace {
    /// At most so many requests a second; `None` and 0 set no limit.
    #[must_use]
    pub(super) fn per_second(requests: Option<u32>) -> Self {
        let interval = requests.filter(|rate| *rate > 0).map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate);
        Self { interval, next: Duration::ZERO }
    }

    /// Takes the turn of one request at `now`, a duration since any fixed moment.
    ///
    /// # Errors
    /// It is too early; the instant when it is not.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if now < self.next {
            return Err(self.next);
        }
        self.next = now + self.interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spaced_evenly() {
        let millis = Duration::from_millis;
        let mut pace = Pace::per_second(Some(4));
        let taken: Vec<u64> = (0..2_000).filter(|now| pace.take(millis(*now)).is_ok()).collect();
        assert_eq!(taken, [0, 250, 500, 750, 1000, 1250, 1500, 1750]);
        assert_eq!(pace.take(millis(1_900)), Err(millis(2_000)));
        assert_eq!(pace.take(millis(60_000)), Ok(()), "a quiet minute saves nothing up");
        assert_eq!(pace.take(millis(60_001)), Err(millis(60_250)));
    }

    #[test]
    fn no_limit_is_no_limit() {
        for rate in [None, Some(0)] {
            let mut pace = Pace::per_second(rate);
            assert!((0..1_000).all(|_| pace.take(Duration::ZERO).is_ok()));
        }
    }
}
