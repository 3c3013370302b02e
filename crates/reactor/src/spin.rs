//! Spinning: an opt-in way for the event loop to hear of completions sooner, at the price of a busy processor.
//!
//! Before it would go to sleep, the loop looks at its ring again and again for a given time. What comes within that
//! time is heard of without a wake-up, which costs 5 µs on bare metal and up to 40 in a virtual machine whose
//! processors are idle.
//!
//! Spinning is of use where completions follow each other closely, and a waste where they do not. So each time in vain
//! twice as many occasions are skipped, until a completion comes soon after an occasion, spun for or slept over.

use std::time::{Duration, Instant};

/// Most occasions that are skipped after one in vain.
const MAX_SKIPPED: u32 = 1024;

/// What the loop is at, as far as the ring is concerned.
#[derive(Clone, Copy)]
enum Phase {
    /// The ring has had something: what comes next is an occasion.
    Awake,
    /// Looking, until then.
    Spinning { until: Instant },
    /// May sleep, from then on.
    Asleep { since: Instant },
}

/// See the module.
pub struct Spin {
    budget: Duration,
    phase: Phase,
    /// How many occasions were skipped after the last one in vain, and how many of them are still to come.
    skipped: u32,
    to_skip: u32,
}

impl Spin {
    /// Spins for up to `budget` at a time. `None` where that is none.
    #[must_use]
    pub fn new(budget: Duration) -> Option<Self> {
        (!budget.is_zero()).then_some(Self { budget, phase: Phase::Awake, skipped: 0, to_skip: 0 })
    }

    /// The loop has nothing else to do: whether to look at the ring instead of sleeping.
    pub fn goes_on(&mut self, now: Instant) -> bool {
        match self.phase {
            Phase::Spinning { until } if now < until => true,
            Phase::Spinning { .. } => {
                self.skipped = (2 * self.skipped + 1).min(MAX_SKIPPED);
                self.to_skip = self.skipped;
                self.phase = Phase::Asleep { since: now };
                false
            }
            Phase::Awake if self.to_skip > 0 => {
                self.to_skip -= 1;
                self.phase = Phase::Asleep { since: now };
                false
            }
            Phase::Awake => {
                self.phase = Phase::Spinning { until: now + self.budget };
                true
            }
            Phase::Asleep { .. } => false,
        }
    }

    /// The ring has something.
    pub fn hit(&mut self, now: Instant) {
        let soon = match self.phase {
            Phase::Awake => return,
            Phase::Spinning { .. } => true,
            // Being woken took some of the time.
            Phase::Asleep { since } => now.saturating_duration_since(since) <= 2 * self.budget,
        };
        if soon {
            (self.skipped, self.to_skip) = (0, 0);
        }
        self.phase = Phase::Awake;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_micros(50);

    /// A policy and a clock.
    struct Simulation {
        spin: Spin,
        now: Instant,
    }

    impl Simulation {
        fn new() -> Self {
            Self { spin: Spin::new(BUDGET).expect("a budget"), now: Instant::now() }
        }

        fn goes_on_after(&mut self, time: Duration) -> bool {
            self.now += time;
            self.spin.goes_on(self.now)
        }

        fn hit_after(&mut self, time: Duration) {
            self.now += time;
            self.spin.hit(self.now);
        }

        /// An occasion that nothing comes of for long. Whether it was spun for.
        fn in_vain(&mut self) -> bool {
            let spins = self.goes_on_after(Duration::ZERO);
            if spins {
                assert!(self.goes_on_after(BUDGET / 2));
                assert!(!self.goes_on_after(BUDGET));
            }
            assert!(!self.goes_on_after(Duration::ZERO), "it may sleep");
            self.hit_after(10 * BUDGET);
            spins
        }
    }

    #[test]
    fn without_a_budget_there_is_none() {
        assert!(Spin::new(Duration::ZERO).is_none());
    }

    #[test]
    fn spins_until_the_ring_has_something_or_the_time_is_up() {
        let mut simulation = Simulation::new();
        for _ in 0..3 {
            assert!(simulation.goes_on_after(Duration::ZERO));
            assert!(simulation.goes_on_after(BUDGET / 2));
            simulation.hit_after(Duration::ZERO);
        }
        assert!(simulation.goes_on_after(Duration::ZERO), "each occasion has the whole time");
        assert!(!simulation.goes_on_after(BUDGET));
        assert!(!simulation.goes_on_after(Duration::ZERO), "other work of the loop is no occasion");
    }

    #[test]
    fn in_vain_skips_twice_as_many_each_time_up_to_a_limit() {
        let mut simulation = Simulation::new();
        let mut skipped = vec![];
        let mut since = 0;
        while skipped.len() < 13 {
            if simulation.in_vain() {
                skipped.push(std::mem::take(&mut since));
            } else {
                since += 1;
            }
        }
        assert_eq!(skipped, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1024, 1024]);
    }

    #[test]
    fn what_comes_soon_makes_up_for_those_in_vain_though_it_was_slept_over() {
        let mut simulation = Simulation::new();
        for _ in 0..20 {
            simulation.in_vain();
        }
        assert!(!simulation.goes_on_after(Duration::ZERO), "skipped");
        simulation.hit_after(BUDGET);
        assert!(simulation.in_vain());
        assert!(!simulation.in_vain());
        assert!(simulation.in_vain(), "only one is skipped after the first in vain");
    }
}
