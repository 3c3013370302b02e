//! The numbers that come in kinds, for Rust and for the generator of the TypeScript side: see
//! [`unregistered`](crate::unregistered).

use napi_derive::napi;
use num_enum::TryFromPrimitive;

#[cfg(doc)]
use crate::protocol::BORROWED_WORD;
use crate::unregistered as napi;

/// Positions of the header's words.
#[napi]
pub enum Header {
    /// Commands written and not yet taken. TypeScript counts up, Rust sets it to zero.
    Commands,
    /// Completions to be dispatched. Written by Rust.
    Completions,
    /// Completions dispatched so far. Set to zero by Rust, counted up by TypeScript.
    Cursor,
    /// The dispatch has used up its time: what is left waits for the next turn. Set to one by TypeScript, to zero by
    /// Rust.
    Yielded,
}

/// Positions of a command's words behind its kind. What the last three hold depends on it.
#[napi]
pub enum CommandWord {
    /// What it is about.
    Handle = 1,
    /// Which memory its bytes are in; of a command that is about no bytes, its argument.
    Region = 2,
    /// Where in it they begin: the lower half.
    Offset = 3,
    /// How many there are.
    Length = 4,
    /// Whether a write request ends here; the token of a transfer; where a datagram's destination is.
    Argument = 5,
    /// The lower half of a transfer's position; what is packed of a datagram.
    First = 6,
    /// The upper half of a transfer's position; the size of the datagrams that one is cut into.
    Second = 7,
}

/// Kinds of commands. Words: kind, handle, then as said.
#[napi]
#[derive(Debug, TryFromPrimitive)]
#[repr(i32)]
pub enum Command {
    /// Let data come: 1 where `Readable` is of use, 0 otherwise.
    ReadStart,
    /// Let no more data come.
    ReadStop,
    /// Send bytes: region, offset, length; then 1 if the write request ends here, 0 if more of it follows.
    Write,
    /// End the sending half after what was written.
    ShutDown,
    /// Close.
    Close,
    /// Give a borrowed receive buffer back: its number in the place of the handle; how many slices of it.
    Release,
    /// Read from a file: region, offset, length, token, then the position's lower and upper half; -1 for the file's
    /// own.
    FileRead,
    /// Write to a file; words as for `FileRead`.
    FileWrite,
    /// Read from a file, and do the next only when all was read.
    FileReadLinked,
    /// Write to a file, and do the next only when all was written.
    FileWriteLinked,
    /// Close a file: token.
    FileClose,
    /// Send a datagram: region, offset, length; where in the arena its destination is; the destination's length, 0 for
    /// the socket's peer, and, from bit 8 on, `MSG_*` flags (`DESTINATION_BESIDE`: the destination is in the payload's
    /// region instead; `SEND_TOGETHER`); size of the datagrams that the kernel is to cut it into, 0 for none.
    SendDatagram,
    /// Receive datagrams with control data, or without: 1 or 0.
    Control,
    /// Send bytes, at least one, that take the descriptors staged first with them: words as for `Write`. They go by
    /// themselves.
    WriteWithDescriptors,
    /// Give a borrowed receive buffer of datagrams back: words as for `Release`.
    ReleaseDatagram,
    /// Let no more data come, for good: behind what was on its way `Ended` follows with `-ECANCELED`, unless the stream
    /// has ended. Nothing is taken from the socket any more.
    ReadCease,
    /// Receive one datagram after another from now on: other processes have the socket, too, and are to get what is not
    /// wanted here any more.
    Share,
}

/// Positions of the words that all completions have behind their kind.
#[napi]
pub enum CompletionWord {
    /// What it is about; -1 for nothing.
    Handle = 1,
    /// A status or a count.
    Result = 2,
}

/// Positions of the further words of a completion with bytes of a stream.
#[napi]
pub enum ReceivedWord {
    /// Where they begin in the pool.
    Offset = 3,
    /// The buffer's number.
    Buffer = 4,
    /// How many descriptors came with them.
    Descriptors = 6,
    /// 1 where some of these were lost.
    Lost = 7,
}

/// Positions of the further words of a completion about files.
#[napi]
pub enum FileWord {
    /// Whose operation it was.
    Token = 3,
    /// The lower half of the size of a file that was opened,
    SizeLow = 4,
    /// and the upper one.
    SizeHigh = 5,
    /// 1 where its status can be had without waiting.
    Local = 6,
}

/// Kinds of completions. Words: kind, handle, status or count, then as said. Statuses are zero or a negative errno.
#[napi]
pub enum Completion {
    /// A connect has ended: status.
    Connected,
    /// A connection was accepted: the new stream's handle.
    Accepted,
    /// The listener stopped accepting: status.
    AcceptFailed,
    /// Bytes have arrived: their number, their offset in the pool, the buffer's number. Read them before the record is
    /// passed; TypeScript may set the word behind to 1 to borrow the buffer until a `Release`.
    Received,
    /// Nothing more will arrive: zero at the end of the stream, or an error.
    Ended,
    /// A write request is with the kernel: status.
    Written,
    /// The sending half has been shut down: status.
    ShutDown,
    /// The handle is closed and its name no longer valid.
    Closed,
    /// The ring itself has failed: status. There is no handle.
    RingFailed,
    /// A file was opened: its handle, its mode, the token, the size's lower and upper half, 1 where its status can be
    /// had without waiting.
    FileOpened,
    /// A file operation is done: no handle, bytes or status, the token.
    FileDone,
    /// A datagram has arrived: its length, the payload's offset in the datagram pool, the buffer's number; the word to
    /// borrow it by, as with `Received`, until a `ReleaseDatagram`; where in the pool the sender's name is; and how
    /// long that is, with, from bit 8 on, the length of the control data, which follow behind the room for the name,
    /// and the flags `DATAGRAM_TRUNCATED` and `DATAGRAM_CONTROL_TRUNCATED`.
    Datagram,
    /// The network reports an error on a datagram socket, which goes on receiving: status.
    ReceiveFailed,
    /// Datagrams are with the kernel, or one has failed: status; how many.
    Sent,
    /// Bytes have arrived on a stream that takes descriptors: their number, their offset in the datagram pool, the
    /// buffer's number; a word of no meaning; how many descriptors came with them; 1 where some were lost, 0 otherwise.
    Message,
    /// More waits than was received: a piece of it can be taken by `receiveNowait` while the record is dispatched.
    Readable,
}

/// Positions of the words of a completion that tells of a datagram. Between buffer and name is [`BORROWED_WORD`].
#[napi]
pub enum DatagramWord {
    /// Bytes of the payload.
    Length = 2,
    /// Where it begins in the datagram pool.
    Offset = 3,
    /// The buffer's number.
    Buffer = 4,
    /// Where in the pool the sender's name is.
    Name = 6,
    /// The lengths of the name and of the control data, and what was truncated.
    Lengths = 7,
}

/// Kinds of file operations. The numbers `a`, `b` and `c` of `fileCall` are as said.
#[napi]
#[derive(TryFromPrimitive)]
#[repr(i32)]
pub enum FileOpKind {
    /// Open `path`: flags, mode. `FileOpened` follows on success.
    Open,
    /// Status of `path`: `AT_*` flags, region for the answer: 18 words of 64 bits, dev, mode, nlink, uid, gid, rdev,
    /// blksize, ino, size, blocks, then seconds and nanoseconds of access, modification, change and birth.
    Status,
    /// Remove `path`: `AT_REMOVEDIR` or 0.
    Unlink,
    /// Rename `path` to `other`: `RENAME_*`.
    Rename,
    /// Make the directory `path`: mode.
    MakeDirectory,
    /// Make `other` a symbolic link that says `path`.
    Symlink,
    /// Make `other` a hard link to `path`.
    Link,
    /// `fsync` of the handle.
    Sync,
    /// `fdatasync` of the handle.
    DataSync,
    /// Set the length of the handle's file: length.
    Truncate,
    /// Reserve space: `FALLOC_FL_*`, offset, length.
    Allocate,
    /// Say how the file will be used: `POSIX_FADV_*`, offset, length.
    Advise,
    /// Extended attribute `other` of `path`: 0, region for the value, its length. The result is the number of bytes.
    GetXattr,
    /// The same of the handle's file.
    FGetXattr,
    /// Set extended attribute `other` of `path`: `XATTR_*`, region of the value, its length.
    SetXattr,
    /// The same of the handle's file.
    FSetXattr,
}

/// Address families of sockets.
#[napi]
pub enum Domain {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// UNIX.
    Unix,
}
