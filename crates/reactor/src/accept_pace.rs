//! How many connections are accepted before JavaScript has heard of them.

/// How many of each listener. Together they cost less, as what becomes of them comes in the same few turns; but all of
/// that takes its time, in which timers and other sockets wait. So it is one more after each turn that was over in
/// time, and half as many after one that was not.
pub(crate) struct AcceptPace(u32);

impl AcceptPace {
    const MAX: u32 = 16;

    /// Whether another may be accepted behind so many.
    pub(crate) fn allows(&self, taken: u32) -> bool {
        taken < self.0
    }

    /// After a turn.
    pub(crate) fn adjust(&mut self, in_time: bool) {
        self.0 = if in_time { (self.0 + 1).min(Self::MAX) } else { (self.0 / 2).max(1) };
    }
}

impl Default for AcceptPace {
    fn default() -> Self {
        Self(Self::MAX)
    }
}
