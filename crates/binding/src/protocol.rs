//! The protocol between TypeScript and Rust: three areas of 32-bit words in one shared buffer.
//!
//! - **Header**: [`Header`] words.
//! - **Commands**, written by TypeScript, taken by Rust: what is to be done.
//! - **Completions**, written by Rust, read by TypeScript: what has happened.
//!
//! A record is [`RECORD_WORDS`] words. The numbers are written here and nowhere else; `npm run protocol` carries them
//! over.
//!
//! [`Queues`](crate::queues::Queues) reads and writes the records.
//!
//! NOTE on trust: TypeScript, and anything that gets hold of the buffer, may write any word at any time. Every word is
//! read once, as an atomic, and checked by what it is used for: handles are looked up, sources are bounds-checked when
//! they are resolved, kinds and counts are checked here.

use iouring_reactor::receive_buffers;
use napi_derive::napi;
use num_enum::TryFromPrimitive;

/// The version that the binary is of. Both ends of the protocol are of one.
#[napi]
#[allow(dead_code, reason = "TypeScript reads it")]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Words of the header.
#[napi]
pub const HEADER_WORDS: u32 = 16;
/// Words of a command or completion.
#[napi]
pub const RECORD_WORDS: u32 = 8;
/// Commands that fit before they must be taken.
#[napi]
pub const COMMAND_CAPACITY: u32 = 2048;
/// Completions that are handed over at once.
#[napi]
pub const COMPLETION_CAPACITY: u32 = 1024;
/// Bytes of the arena that small writes are copied into.
#[napi]
pub const ARENA_SIZE: u32 = 2 * 1024 * 1024;

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

/// Bits of a command's first word that hold its kind. Those above them are the upper part of the offset, where the
/// command has one: offsets into JavaScript's memory go up to 2^53. Lengths and positions are as long as their words
/// are; whoever has more to move writes several commands.
#[napi]
pub const KIND_BITS: u32 = 8;

/// Most bytes that one command can be about: what the kernel's results can tell of.
#[napi]
pub const MAX_PIECE: u32 = i32::MAX as u32;

/// The region of the receive buffers: what was borrowed can be sent from where it lies. Region 0 is the arena, the
/// others are views.
#[napi]
pub const RECEIVED_REGION: u32 = u32::MAX;

/// The region of the receive buffers of datagrams, likewise.
#[napi]
pub const DATAGRAM_REGION: u32 = u32::MAX - 1;

/// How many receive buffers of datagrams there are.
#[napi]
pub const DATAGRAM_BUFFERS: u32 = 256;
const _: () = assert!(DATAGRAM_BUFFERS == receive_buffers::BUFFERS as u32);

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

/// Position of the word that counts the datagrams which a completion reports as sent.
#[napi]
pub const SENT_WORD: u32 = 3;

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

/// Position, in a completion, of the word that TypeScript sets to borrow a buffer.
#[napi]
pub const BORROWED_WORD: u32 = 5;

/// Beside the flags of a datagram to be sent: its destination lies in the region of its payload.
#[napi]
pub const DESTINATION_BESIDE: u32 = 1 << 30;

/// Beside the flags of a datagram to be sent: it may go out in one request with its neighbours (GSO).
#[napi]
pub const SEND_TOGETHER: u32 = 1 << 29;

/// Mask of the destination's length in the word of a `SendDatagram` that packs it with the flags.
#[napi]
pub const DESTINATION_LENGTH: u32 = 0xff;

/// Where `MSG_*` flags begin in that word.
#[napi]
pub const SEND_FLAGS_SHIFT: u32 = 8;

/// `MSG_*` flags that a datagram can be sent with. Not `MSG_ZEROCOPY`, with which the kernel would hold on to the
/// memory.
#[napi]
pub const SEND_FLAGS: i32 = libc::MSG_CONFIRM | libc::MSG_DONTROUTE | libc::MSG_MORE | libc::MSG_DONTWAIT;

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

/// Mask of the name's length in the last word of a datagram.
#[napi]
pub const NAME_LENGTH: u32 = 0xff;
/// Where the length of the control data begins in it,
#[napi]
pub const CONTROL_LENGTH_SHIFT: u32 = 8;
/// and its mask, once it is shifted.
#[napi]
pub const CONTROL_LENGTH: u32 = 0xffff;
const _: () = assert!(UNIX_NAME <= NAME_LENGTH && CONTROL_LENGTH == u16::MAX as u32);
/// In the last word of a datagram: it was longer than the room for it.
#[napi]
pub const DATAGRAM_TRUNCATED: u32 = 1 << 24;
/// In the last word of a datagram: its control data was longer than the room for it.
#[napi]
pub const DATAGRAM_CONTROL_TRUNCATED: u32 = 1 << 25;
/// Room for the sender's name in front of a datagram of an IP socket.
#[napi]
pub const INTERNET_NAME: u32 = 32;
/// Room for the sender's name in front of a datagram of a UNIX socket.
#[napi]
pub const UNIX_NAME: u32 = 112;
const _: () = assert!(
    INTERNET_NAME as usize == receive_buffers::INTERNET_NAME && UNIX_NAME as usize == receive_buffers::UNIX_NAME
);
