//! The Node-API face of the reactor: thin, no policy.
