//! Sending at a given rate.

use std::time::{Duration, Instant};

/// Says how many datagrams are due. What could not be sent in time is not made up for beyond a moment, or a pause would
/// end in a flood.
pub(crate) struct Pace {
    rate: f64,
    /// When the next one is due.
    next: Instant,
}

impl Pace {
    /// Longest delay that is made up for.
    const MEMORY: Duration = Duration::from_millis(1);

    /// So many a second, above zero.
    pub(crate) fn new(rate: f64) -> Self {
        Self { rate, next: Instant::now() }
    }

    /// How many are due, at most `most`; they count as sent.
    pub(crate) fn due(&mut self, now: Instant, most: usize) -> usize {
        if let Some(oldest) = now.checked_sub(Self::MEMORY) {
            self.next = self.next.max(oldest);
        }
        let late = now.saturating_duration_since(self.next);
        if now < self.next {
            return 0;
        }
        let due = ((late.as_secs_f64() * self.rate) as usize + 1).min(most);
        self.next += Duration::from_secs_f64(due as f64 / self.rate);
        due
    }

    /// How long until the next is due.
    pub(crate) fn until_next(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_to_its_rate_however_often_it_is_asked() {
        for step in [7, 130, 900] {
            let mut pace = Pace::new(100_000.0);
            let start = pace.next;
            let steps = 1_000_000 / step;
            let sum: usize = (0..steps).map(|index| pace.due(start + Duration::from_micros(index * step), 1000)).sum();
            assert!((99_000..=100_200).contains(&sum), "{sum} in a second, asked every {step} µs");
        }
    }

    #[test]
    fn makes_up_for_a_moment_only() {
        let mut pace = Pace::new(1000.0);
        let start = pace.next;
        assert_eq!(pace.due(start, 10), 1);
        assert_eq!(pace.due(start, 10), 0);
        assert_eq!(pace.until_next(start), Duration::from_millis(1));
        assert_eq!(pace.due(start + Duration::from_secs(5), 10_000), 2);
    }
}
