//! Busy polling: when the event loop looks for completions without going to sleep, and for how long.
//!
//! A write that a worker of the kernel does takes some microseconds. Falling asleep for it and being woken again takes
//! more, in a virtual machine with idle processors ten times as much, for both threads. So for [`MAX_TIME`] after it
//! was started the loop goes round without sleeping: sockets, timers and everything else get their turn as always, and
//! the completion is seen when it is there. Where it does not come in time (a slow disk, a busy processor) the polling
//! was in vain, and twice as many of the next occasions are skipped, until one is of use again.

use std::time::{Duration, Instant};

use crate::file::ShortOps;

/// How long to poll for an operation.
const MAX_TIME: Duration = Duration::from_micros(100);

/// Most occasions that are skipped after one in vain.
const MAX_SKIPPED: u32 = 256;

/// See the module.
pub struct BusyPoll {
    /// Whether another processor can do the work meanwhile.
    possible: bool,
    /// Operations as they were when they were last looked at.
    seen: ShortOps,
    /// Until when to poll; `None` while the loop may sleep.
    until: Option<Instant>,
    /// How many occasions were skipped after the last one in vain, and how many of them are still to come.
    skipped: u32,
    to_skip: u32,
}

impl Default for BusyPoll {
    /// With one processor it never polls: the worker needs it.
    fn default() -> Self {
        Self::with(has_processors())
    }
}

/// Whether this thread, and the kernel's workers with it, may run on more than one processor. What share of their time
/// a control group grants does not matter here, and reading it from `/sys` takes longer than all the rest of a
/// start-up.
fn has_processors() -> bool {
    // SAFETY: a set may be all zero, the kernel fills in no more than its size, and counting reads no more than that.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        // Where the set is too small for the machine there are more than a thousand.
        libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) != 0 || libc::CPU_COUNT(&set) > 1
    }
}

impl BusyPoll {
    fn with(possible: bool) -> Self {
        Self { possible, seen: ShortOps::default(), until: None, skipped: 0, to_skip: 0 }
    }

    /// After a turn of the reactor: whether to poll.
    pub fn turned(&mut self, ops: ShortOps) -> bool {
        self.turned_at(ops, Instant::now)
    }

    fn turned_at(&mut self, ops: ShortOps, now: impl FnOnce() -> Instant) -> bool {
        let before = std::mem::replace(&mut self.seen, ops);
        if self.until.is_some() && ops.done() > before.done() {
            (self.skipped, self.until) = (0, None);
        }
        if ops.in_flight == 0 {
            self.until = None;
        } else if self.possible && ops.started > before.started {
            if self.to_skip > 0 {
                self.to_skip -= 1;
            } else {
                self.until = Some(now() + MAX_TIME);
            }
        }
        self.until.is_some()
    }

    /// While polling: whether the loop may go to sleep.
    pub fn is_over(&mut self) -> bool {
        self.is_over_at(Instant::now)
    }

    fn is_over_at(&mut self, now: impl FnOnce() -> Instant) -> bool {
        let Some(until) = self.until else { return true };
        if now() < until {
            return false;
        }
        self.until = None;
        self.skipped = (2 * self.skipped + 1).min(MAX_SKIPPED);
        self.to_skip = self.skipped;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy, a clock, and the operations that are counted.
    struct Simulation {
        policy: BusyPoll,
        now: Instant,
        ops: ShortOps,
    }

    impl Simulation {
        fn new() -> Self {
            Self { policy: BusyPoll::with(true), now: Instant::now(), ops: ShortOps::default() }
        }

        fn start(&mut self) -> bool {
            self.ops.started += 1;
            self.ops.in_flight += 1;
            self.turn()
        }

        fn finish(&mut self) -> bool {
            self.ops.in_flight -= 1;
            self.turn()
        }

        fn turn(&mut self) -> bool {
            let now = self.now;
            self.policy.turned_at(self.ops, || now)
        }

        fn is_over_after(&mut self, time: Duration) -> bool {
            self.now += time;
            let now = self.now;
            self.policy.is_over_at(|| now)
        }

        /// One that nobody sees the end of in time. Whether it was waited for.
        fn in_vain(&mut self) -> bool {
            let polled = self.start();
            if polled {
                assert!(!self.is_over_after(MAX_TIME / 2));
                assert!(self.is_over_after(MAX_TIME));
                assert!(!self.turn(), "over");
            }
            assert!(!self.finish());
            polled
        }
    }

    #[test]
    fn stays_awake_while_something_is_in_flight_and_no_longer() {
        let mut simulation = Simulation::new();
        assert!(!simulation.turn(), "nothing is in flight");
        assert!(simulation.start());
        assert!(!simulation.is_over_after(MAX_TIME / 2));
        assert!(simulation.turn(), "a turn for something else");
        assert!(!simulation.finish());
        assert!(simulation.is_over_after(Duration::ZERO));
    }

    #[test]
    fn each_start_begins_anew_and_a_turn_without_one_does_not() {
        let mut simulation = Simulation::new();
        for _ in 0..5 {
            assert!(simulation.start());
            assert!(!simulation.is_over_after(MAX_TIME * 2 / 3));
        }
        assert!(simulation.turn());
        assert!(simulation.is_over_after(MAX_TIME / 2));
    }

    #[test]
    fn in_vain_skips_twice_as_many_each_time_up_to_a_limit() {
        let mut simulation = Simulation::new();
        let mut skipped = vec![];
        let mut since = 0;
        for _ in 0..1500 {
            if simulation.in_vain() {
                skipped.push(std::mem::take(&mut since));
            } else {
                since += 1;
            }
        }
        assert_eq!(skipped[..10], [0, 1, 3, 7, 15, 31, 63, 127, 255, 256]);
        assert!(skipped[10..].iter().all(|&count| count == MAX_SKIPPED));
    }

    #[test]
    fn one_of_use_makes_up_for_those_in_vain() {
        let mut simulation = Simulation::new();
        let mut polls = 0;
        while polls < 4 {
            polls += usize::from(simulation.in_vain());
        }
        while !simulation.start() {
            simulation.finish();
        }
        simulation.finish();
        assert!(simulation.in_vain());
        assert!(!simulation.in_vain());
        assert!(simulation.in_vain(), "only one is skipped after the first in vain");
    }

    #[test]
    fn the_end_of_one_and_the_start_of_the_next_may_come_in_one_turn() {
        let mut simulation = Simulation::new();
        simulation.in_vain();
        while !simulation.start() {
            simulation.finish();
        }
        simulation.ops.started += 1;
        assert!(simulation.turn(), "the last was of use");
        assert!(!simulation.is_over_after(MAX_TIME / 2));
    }

    #[test]
    fn with_one_processor_there_is_none() {
        let mut simulation = Simulation::new();
        simulation.policy = BusyPoll::with(false);
        assert!(!simulation.start());
    }
}
