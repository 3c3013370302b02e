//! Stands for the crate `napi` where `#[napi]` enums are: `use crate::unregistered as napi`.
//!
//! What the attribute generates makes each enum an object of the module's when the binary is loaded. They are written
//! for the generator of the TypeScript side, which takes their numbers from the declarations, and nobody asks for those
//! objects. What made them was 17 KB of the binary, so this `ctor!` makes nothing of what would have called it.

pub(crate) use ::napi::{ValueType, bindgen_prelude, sys};

/// Named by what is generated, but in a test.
#[cfg(not(test))]
pub(crate) mod ctor {
    /// Likewise.
    pub(crate) mod declarative {
        macro_rules! ctor {
            ($($register:tt)*) => {};
        }
        pub(crate) use ctor;
    }
}
