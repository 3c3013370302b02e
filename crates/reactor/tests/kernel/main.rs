//! The reactor on the kernel that is there. Where io_uring is refused, every test says that it was skipped.

#![allow(unreachable_pub, reason = "nothing reaches a test")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is the test's failure, in its helpers too")]

mod accepting;
mod closing;
mod counterparts;
mod datagrams;
mod echo;
mod files;
mod limits;
mod node;
mod pieces;
mod pressure;
mod scm_rights;
mod shared;
mod unix_datagrams;
mod without_copies;
