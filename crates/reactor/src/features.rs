//! What a kernel has beyond the floor.

/// Defines the optional features, with their names for people.
macro_rules! features {
    ($($(#[$documentation:meta])* $field:ident = $name:literal,)*) => {
        /// What this kernel has beyond the floor, which is Linux 6.1.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Features { $($(#[$documentation])* pub $field: bool,)* }

        impl Features {
            /// Every feature's name and whether it is there, in the order of their age.
            pub fn all(&self) -> Vec<(&'static str, bool)> {
                vec![$(($name, self.$field),)*]
            }
        }
    };
}

features! {
    /// Messages between rings (Linux 5.18). By probe.
    msg_ring = "msg-ring",
    /// Zero-copy send (Linux 6.0). By probe.
    send_zc = "send-zc",
    /// Zero-copy sendmsg (Linux 6.1). By probe.
    sendmsg_zc = "sendmsg-zc",
    /// Rings without the submission indirection array (Linux 6.6). By set-up.
    no_sq_array = "no-sq-array",
    /// Multishot read, for pipes and the like (Linux 6.7). By probe.
    multishot_read = "multishot-read",
    /// `ftruncate` as an operation (Linux 6.9). By probe.
    ftruncate = "ftruncate",
    /// Receive and send bundles (Linux 6.10). By feature bit, and a self-test that they keep their order.
    bundles = "bundles",
    /// `bind` and `listen` as operations (Linux 6.11). By probe.
    bind_listen = "bind-listen",
    /// Buffers that are filled one message after another (Linux 6.12). By self-test.
    incremental_buffers = "incremental-buffers",
    /// A minimum wait for batches of completions (Linux 6.12). By feature bit.
    min_wait = "min-wait",
    /// Multishot receives that end after so many bytes (Linux 6.17). By self-test.
    bounded_receive = "bounded-receive",
    /// The eventfd is signalled at once when something arrives. Where work is deferred, stable kernels of 2026 put that
    /// off to the end of a grace period of RCU (milliseconds), and 6.12.115 to 6.12.117, if not others, do so once and
    /// then never again. By self-test.
    prompt_signals = "prompt-signals",
}

impl Features {
    /// The names of the features that are there.
    pub fn names(&self) -> Vec<&'static str> {
        self.all().into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
    }
}
