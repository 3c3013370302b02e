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

mod enums;

use iouring_reactor::receive_buffers;
use napi_derive::napi;

pub use self::enums::*;

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

/// Position of the word that counts the datagrams which a completion reports as sent.
#[napi]
pub const SENT_WORD: u32 = 3;

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
