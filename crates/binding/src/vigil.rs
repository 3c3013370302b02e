//! Staying awake: when libuv looks for events without going to sleep, and for how long.
//!
//! A write that a worker of the kernel does takes some microseconds. Falling asleep for it and being woken again takes more, in a virtual machine with
//! idle processors ten times as much, for both threads. So for [`LONGEST`] after it was started libuv goes round without sleeping: sockets, timers
//! and everything else get their turn as always, and the completion is seen when it is there. Where it does not come in time (a slow disk, a busy
//! processor) the vigil was in vain, and twice as many of the next are left out, until one is of use again.

use std::time::{Duration, Instant};

use iouring_reactor::file::Brief;

/// How long to stay awake for an operation.
const LONGEST: Duration = Duration::from_micros(100);

/// Most vigils that are left out after one in vain.
const MOST_LEFT_OUT: u32 = 256;

/// See the module.
pub struct Vigil {
    /// Whether another processor can do the work meanwhile.
    possible: bool,
    /// Operations as they were when they were last looked at.
    seen: Brief,
    /// Until when to stay awake; `None` while asleep.
    until: Option<Instant>,
    /// How many were left out after the last one in vain, and how many of them are still to come.
    left_out: u32,
    to_leave_out: u32,
}

impl Vigil {
    /// None yet. With one processor there never is one: the worker needs it.
    pub fn new() -> Self {
        Self::with(std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1))
    }

    fn with(possible: bool) -> Self {
        Self { possible, seen: Brief::default(), until: None, left_out: 0, to_leave_out: 0 }
    }

    /// After a turn of the reactor: whether to stay awake.
    pub fn turned(&mut self, brief: Brief) -> bool {
        self.turned_at(brief, Instant::now)
    }

    fn turned_at(&mut self, brief: Brief, now: impl FnOnce() -> Instant) -> bool {
        let before = std::mem::replace(&mut self.seen, brief);
        if self.until.is_some() && brief.done() > before.done() {
            (self.left_out, self.until) = (0, None);
        }
        if brief.under_way == 0 {
            self.until = None;
        } else if self.possible && brief.started > before.started {
            if self.to_leave_out > 0 {
                self.to_leave_out -= 1;
            } else {
                self.until = Some(now() + LONGEST);
            }
        }
        self.until.is_some()
    }

    /// While awake: whether to go to sleep.
    pub fn is_over(&mut self) -> bool {
        self.is_over_at(Instant::now)
    }

    fn is_over_at(&mut self, now: impl FnOnce() -> Instant) -> bool {
        let Some(until) = self.until else { return true };
        if now() < until {
            return false;
        }
        self.until = None;
        self.left_out = (2 * self.left_out + 1).min(MOST_LEFT_OUT);
        self.to_leave_out = self.left_out;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vigil, a clock, and the operations that are counted.
    struct Scene {
        vigil: Vigil,
        now: Instant,
        brief: Brief,
    }

    impl Scene {
        fn new() -> Self {
            Self { vigil: Vigil::with(true), now: Instant::now(), brief: Brief::default() }
        }

        fn start(&mut self) -> bool {
            self.brief.started += 1;
            self.brief.under_way += 1;
            self.turn()
        }

        fn finish(&mut self) -> bool {
            self.brief.under_way -= 1;
            self.turn()
        }

        fn turn(&mut self) -> bool {
            let now = self.now;
            self.vigil.turned_at(self.brief, || now)
        }

        fn is_over_after(&mut self, time: Duration) -> bool {
            self.now += time;
            let now = self.now;
            self.vigil.is_over_at(|| now)
        }

        /// One that nobody sees the end of in time. Whether it was waited for.
        fn in_vain(&mut self) -> bool {
            let awake = self.start();
            if awake {
                assert!(!self.is_over_after(LONGEST / 2));
                assert!(self.is_over_after(LONGEST));
                assert!(!self.turn(), "over");
            }
            assert!(!self.finish());
            awake
        }
    }

    #[test]
    fn stays_awake_while_something_is_under_way_and_no_longer() {
        let mut scene = Scene::new();
        assert!(!scene.turn(), "nothing is under way");
        assert!(scene.start());
        assert!(!scene.is_over_after(LONGEST / 2));
        assert!(scene.turn(), "a turn for something else");
        assert!(!scene.finish());
        assert!(scene.is_over_after(Duration::ZERO));
    }

    #[test]
    fn each_start_begins_anew_and_a_turn_without_one_does_not() {
        let mut scene = Scene::new();
        for _ in 0..5 {
            assert!(scene.start());
            assert!(!scene.is_over_after(LONGEST * 2 / 3));
        }
        assert!(scene.turn());
        assert!(scene.is_over_after(LONGEST / 2));
    }

    #[test]
    fn in_vain_leaves_out_twice_as_many_each_time_up_to_a_limit() {
        let mut scene = Scene::new();
        let mut left_out = vec![];
        let mut since = 0;
        for _ in 0..1500 {
            if scene.in_vain() {
                left_out.push(std::mem::take(&mut since));
            } else {
                since += 1;
            }
        }
        assert_eq!(left_out[..10], [0, 1, 3, 7, 15, 31, 63, 127, 255, 256]);
        assert!(left_out[10..].iter().all(|&count| count == MOST_LEFT_OUT));
    }

    #[test]
    fn one_of_use_makes_up_for_those_in_vain() {
        let mut scene = Scene::new();
        let mut vigils = 0;
        while vigils < 4 {
            vigils += usize::from(scene.in_vain());
        }
        while !scene.start() {
            scene.finish();
        }
        scene.finish();
        assert!(scene.in_vain());
        assert!(!scene.in_vain());
        assert!(scene.in_vain(), "only one is left out after the first in vain");
    }

    #[test]
    fn the_end_of_one_and_the_start_of_the_next_may_come_in_one_turn() {
        let mut scene = Scene::new();
        scene.in_vain();
        while !scene.start() {
            scene.finish();
        }
        scene.brief.started += 1;
        assert!(scene.turn(), "the last was of use");
        assert!(!scene.is_over_after(LONGEST / 2));
    }

    #[test]
    fn with_one_processor_there_is_none() {
        let mut scene = Scene::new();
        scene.vigil = Vigil::with(false);
        assert!(!scene.start());
    }
}
