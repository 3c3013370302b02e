//! What requests are tagged with: the kind of operation (8 bits), and its generation (24) and place (32) in the slab.

/// `user_data` of requests whose completion nobody waits for.
pub(crate) const IGNORED: u64 = 0;

/// Kind of requests that are over when the call that makes them returns, and have no place in the slab.
const NOWAIT: u64 = 0xff;

pub(crate) const INDEX_BITS: u32 = 32;
pub(crate) const GENERATION_BITS: u32 = 24;
pub(crate) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

/// `user_data` of the request with that number in a batch that is done at once.
pub(crate) fn nowait_user_data(batch: u32, number: u32) -> u64 {
    NOWAIT << (INDEX_BITS + GENERATION_BITS) | u64::from(batch & GENERATION_MASK) << INDEX_BITS | u64::from(number)
}

/// Whether a completion belongs to a batch that was done at once.
pub(crate) fn is_nowait(user_data: u64) -> bool {
    kind_of(user_data) == NOWAIT
}

/// The [`Kind`] of operation that a `user_data` belongs to, as a number.
pub(crate) fn kind_of(user_data: u64) -> u64 {
    user_data >> (INDEX_BITS + GENERATION_BITS)
}

/// The part of a `user_data` that tells operations apart in a trace. Never zero, so that no operation is taken for
/// [`IGNORED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Accept = 1,
    Connect,
    Receive,
    PollWritable,
    Pause,
    Send,
    File,
    Close,
}
