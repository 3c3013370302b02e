//! An io_uring reactor for sockets: rings, operations, buffers and handles.
