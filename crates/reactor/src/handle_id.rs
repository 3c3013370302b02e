//! The names of handles.

pub(crate) const INDEX_BITS: u32 = 20;
const INDEX_MASK: i32 = (1 << INDEX_BITS) - 1;
pub(crate) const GENERATION_MASK: i32 = (1 << (31 - INDEX_BITS)) - 1;

/// Most handles that one reactor can hold: 1,048,576.
pub(crate) const MAX_HANDLES: usize = 1 << INDEX_BITS;

/// Names an open handle. Never negative, so that a call can return a handle or a negative errno in one `i32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandleId(pub(crate) i32);

impl HandleId {
    /// Takes a number that came from outside. It need not name an open handle: look-ups check.
    #[must_use]
    pub fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// As JavaScript knows it.
    #[must_use]
    pub fn raw(self) -> i32 {
        self.0
    }

    #[allow(clippy::cast_sign_loss, reason = "masked to 20 bits")]
    pub(crate) fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }
}
