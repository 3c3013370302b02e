//! An io_uring reactor for sockets: rings, operations, buffers and handles.

pub mod address;
pub mod config;
pub mod error;
pub mod options;
pub mod socket;
pub mod support;
