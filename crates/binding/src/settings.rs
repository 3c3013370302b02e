//! What a reactor is made with, as JavaScript asks for it and as it has become.

use std::time::Duration;

use iouring_reactor::Config;
use napi_derive::napi;

/// What to make a reactor with. What is absent has its default; ranges are [`Config`]'s, and TypeScript's to check
/// (`ts/reactor/options.ts`).
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct ReactorOptions {
    /// Entries of the submission queue.
    pub submission_entries: Option<u32>,
    /// Entries of the completion queue.
    pub completion_entries: Option<u32>,
    /// Go without the indirection array, where the kernel knows that.
    pub no_sq_array: Option<bool>,
    /// Receive buffers.
    pub receive_buffers: Option<u32>,
    /// Bytes of each.
    pub receive_buffer_size: Option<u32>,
    /// Completions taken from the kernel in one round.
    pub completions_per_round: Option<u32>,
    /// Rounds of a turn.
    pub rounds_per_turn: Option<u32>,
    /// Microseconds after which a turn begins no further round.
    pub turn_time: Option<u32>,
    /// Microseconds for which the loop looks at its ring before it sleeps.
    pub busy_poll: Option<u32>,
    /// Most kernel threads for what ends in bounded time, such as reads and writes of files; 0 leaves the kernel's
    /// limit.
    pub bounded_workers: Option<u32>,
    /// Most kernel threads for everything else; 0 leaves the kernel's limit.
    pub unbounded_workers: Option<u32>,
    /// Print each command, request and completion to standard error.
    pub trace: Option<bool>,
}

/// What a reactor has been made with, which may be less than was asked for.
#[napi(object, object_from_js = false)]
pub struct ReactorSettings {
    /// What wakes JavaScript: `uv` or `waiter`.
    pub driver: String,
    /// Entries of the submission queue.
    pub submission_entries: u32,
    /// Entries of the completion queue.
    pub completion_entries: u32,
    /// Whether the ring goes without the indirection array.
    pub no_sq_array: bool,
    /// Receive buffers.
    pub receive_buffers: u32,
    /// Bytes of each.
    pub receive_buffer_size: u32,
    /// Completions taken from the kernel in one round.
    pub completions_per_round: u32,
    /// Rounds of a turn.
    pub rounds_per_turn: u32,
    /// Microseconds after which a turn begins no further round.
    pub turn_time: u32,
    /// Microseconds for which the loop looks at its ring before it sleeps; 0: it does not.
    pub busy_poll: u32,
    /// Most kernel threads for what ends in bounded time.
    pub bounded_workers: u32,
    /// Most kernel threads for everything else.
    pub unbounded_workers: u32,
}

/// How long the reactor may keep the event loop to itself, and from sleeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Most rounds of submit, collect and dispatch in one turn.
    pub rounds: u32,
    /// The time after which no round is begun: then libuv's other handles get their turn, and `setImmediate` and timers
    /// before, which are waited for not even that long ([`Driver::may_go_on`](crate::driver::Driver::may_go_on)). A
    /// round that takes longer by itself is cut short by the dispatch, which has the same budget
    /// (`ts/reactor/dispatch.ts`).
    pub turn: Duration,
    /// For how long the loop looks at the ring before it sleeps.
    pub busy_poll: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rounds: 8, turn: Duration::from_millis(1), busy_poll: Duration::ZERO }
    }
}

impl ReactorOptions {
    /// The sizes of the reactor.
    pub fn config(&self) -> Config {
        let default = Config { arena_size: crate::protocol::ARENA_SIZE, ..Config::default() };
        let submission_entries = self.submission_entries.unwrap_or(default.submission_entries);
        Config {
            submission_entries,
            completion_entries: self.completion_entries.unwrap_or(default.completion_entries),
            no_sq_array: self.no_sq_array.unwrap_or(default.no_sq_array),
            // Out of its range whatever has no place in 16 bits.
            recv_buffers: self.receive_buffers.map_or(default.recv_buffers, |count| u16::try_from(count).unwrap_or(0)),
            recv_buffer_size: self.receive_buffer_size.unwrap_or(default.recv_buffer_size),
            recut: self.receive_buffers.is_none() && self.receive_buffer_size.is_none(),
            max_completions_per_turn: self.completions_per_round.unwrap_or(default.max_completions_per_turn),
            ..default
        }
    }

    /// Its budgets.
    pub fn pace(&self) -> Pace {
        let default = Pace::default();
        let micros = |micros: Option<u32>, or: Duration| micros.map_or(or, |it| Duration::from_micros(it.into()));
        Pace {
            rounds: self.rounds_per_turn.unwrap_or(default.rounds),
            turn: micros(self.turn_time, default.turn),
            busy_poll: micros(self.busy_poll, default.busy_poll),
        }
    }

    /// Limits of the kernel's worker threads, where one was asked for.
    pub fn workers(&self) -> Option<[u32; 2]> {
        let limits = [self.bounded_workers.unwrap_or(0), self.unbounded_workers.unwrap_or(0)];
        (limits != [0, 0]).then_some(limits)
    }
}

/// A duration in microseconds.
pub fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
