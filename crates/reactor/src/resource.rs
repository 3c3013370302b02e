//! What a handle can be.

use crate::datagram::Datagram;
use crate::file::File;
use crate::handle;
use crate::listener::Listener;
use crate::stream::Stream;

/// What a handle is. Most are streams, so that what is larger than those is boxed.
pub(crate) enum Resource {
    /// A connected or connecting stream socket.
    Stream(Stream),
    /// A listening socket.
    Listener(Listener),
    /// An open file.
    File(Box<File>),
    /// A datagram socket.
    Datagram(Box<Datagram>),
}

/// An open handle.
pub(crate) type Handle = handle::Handle<Resource>;

/// The handles of a reactor.
pub(crate) type Handles = handle::Handles<Resource>;
