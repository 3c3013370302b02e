//! An io_uring reactor for sockets. It knows nothing of Node or JavaScript; `crates/binding` puts it into a Node
//! process.
//!
//! Read in this order: [`kernel`] (what is asked of the kernel), `operation` (what is in flight), `handle` (what is
//! open), `stream` and `listener` (what sockets do), [`Reactor`] (how it all turns). `tests/layers.rs` says which
//! module may import which.

mod accept_pace;
pub mod address;
mod bounce;
pub mod buffer_pool;
mod buffer_ring;
pub mod busy_poll;
pub mod config;
pub mod control;
pub mod datagram;
mod error;
mod event;
pub mod eventfd;
mod features;
pub mod file;
mod handle;
mod handle_id;
mod io;
pub mod kernel;
mod listener;
pub mod memory;
mod message;
pub mod multicast;
mod operation;
pub mod options;
mod reactor;
pub mod receive_buffers;
mod resource;
mod ring;
mod room;
mod scm_rights;
mod self_test;
mod slab;
pub mod socket;
mod spare_descriptor;
pub mod spin;
mod sqe;
mod stream;
pub mod support;
mod user_data;
mod watch;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use error::{Errno, Error, Reason};
pub use event::{Event, Opened, Received, Stats, Totals};
pub use features::Features;
pub use handle_id::HandleId;
pub use memory::{Memory, Span};
pub use reactor::{Adopted, Reactor};
pub use ring::Ring;
pub use stream::MAX_SLICES_NOWAIT;
pub use watch::{Latency, Watch};
