//! How a fake kernel behaves: what the tests choose.

/// What kind of kernel it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behavior {
    pub(crate) seed: u64,
    /// Two at least: a close with its cancel takes two.
    pub(crate) submission_entries: usize,
    pub(crate) completion_entries: usize,
    /// Buffers are consumed bit by bit.
    pub(crate) incremental: bool,
    /// How often a fault is injected, of 256 occasions.
    pub(crate) fault_rate: u8,
    /// How often it is done in all.
    pub(crate) budget: u32,
}

impl Behavior {
    /// A kernel that does what it is told.
    pub(crate) fn faultless() -> Self {
        Self { seed: 1, submission_entries: 64, completion_entries: 1024, incremental: false, fault_rate: 0, budget: 0 }
    }
}
