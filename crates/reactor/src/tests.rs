//! The reactor on the fake kernel: whatever the kernel does, nothing is lost, nothing comes twice and nothing hangs.

mod accepting;
mod buffers;
mod closing;
mod commits;
mod datagram_cases;
mod datagram_simulation;
mod datagrams;
mod file_simulation;
mod files;
mod harness;
mod holes;
mod nowait;
mod room;
mod scm_rights;
mod streams;
