//! The protocol between TypeScript and Rust: three areas of 32-bit words in one shared buffer.
//!
//! - **Header**: [`Header`] words.
//! - **Commands**, written by TypeScript, taken by Rust: what is to be done.
//! - **Completions**, written by Rust, read by TypeScript: what has happened.
//!
//! A record is [`RECORD_WORDS`] words. The numbers are written here and nowhere else; `npm run protocol` carries them
//! over.
//!
//! NOTE on trust: TypeScript, and anything that gets hold of the buffer, may write any word at any time. Every word is
//! read once, as an atomic, and checked by what it is used for: handles are looked up, sources are bounds-checked when
//! they are resolved, kinds and counts are checked here.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use iouring_reactor::datagram::Outgoing;
use iouring_reactor::file::transfer::Transfer;
use iouring_reactor::kernel::Direction;
use iouring_reactor::memory::Mapping;
use iouring_reactor::{Errno, Event, HandleId, Reactor, Received, Ring, Span, receive_buffers};
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

/// Kinds of commands. Words: kind, handle, then as said.
#[napi]
#[derive(Debug, TryFromPrimitive)]
#[repr(i32)]
pub enum Command {
    /// Let data come.
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
    /// A datagram has arrived: its length, the payload's offset in the datagram pool, the buffer's number; a word of no
    /// meaning; where in the pool the sender's name is; and how long that is, with, from bit 8 on, the length of the
    /// control data, which follow behind the room for the name, and the flags `DATAGRAM_TRUNCATED` and
    /// `DATAGRAM_CONTROL_TRUNCATED`.
    Datagram,
    /// The network reports an error on a datagram socket, which goes on receiving: status.
    ReceiveFailed,
    /// Datagrams are with the kernel, or one has failed: status; how many.
    Sent,
    /// Bytes have arrived on a stream that takes descriptors: their number, their offset in the datagram pool, the
    /// buffer's number; a word of no meaning; how many descriptors came with them; 1 where some were lost, 0 otherwise.
    Message,
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

/// Positions of the words of a completion that tells of a datagram. The word between buffer and name has no meaning.
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

/// What a command asks for.
pub enum DecodedCommand {
    ReadStart(HandleId),
    ReadStop(HandleId),
    Write { handle: HandleId, span: Span, last: bool },
    WriteWithDescriptors { handle: HandleId, span: Span, last: bool },
    ShutDown(HandleId),
    Close(HandleId),
    Release { buffer: u16, slices: u16 },
    Transfer { handle: HandleId, transfer: Transfer, linked: bool },
    CloseFile { handle: HandleId, token: u32 },
    SendDatagram(HandleId, Outgoing),
    Control(HandleId, bool),
}

impl DecodedCommand {
    /// Has the reactor do it.
    pub fn apply(self, reactor: &mut Reactor<Ring>) {
        match self {
            Self::ReadStart(handle) => reactor.read_start(handle),
            Self::ReadStop(handle) => reactor.read_stop(handle),
            Self::Write { handle, span, last } => reactor.write(handle, span, last),
            Self::WriteWithDescriptors { handle, span, last } => {
                reactor.write_with_descriptors(handle, span, last);
            }
            Self::ShutDown(handle) => reactor.shut_down_write(handle),
            Self::Close(handle) => reactor.close(handle),
            Self::Release { buffer, slices } => (0..slices).for_each(|_| reactor.give_back(buffer)),
            Self::Transfer { handle, transfer, linked } => reactor.transfer(handle, transfer, linked),
            Self::CloseFile { handle, token } => reactor.close_file(handle, token),
            Self::SendDatagram(handle, outgoing) => reactor.send_datagram(handle, outgoing),
            Self::Control(handle, wanted) => reactor.set_datagram_control(handle, wanted),
        }
    }
}

const KIND_MASK: i32 = (1 << KIND_BITS) - 1;
const COMMANDS_START: usize = HEADER_WORDS as usize;
const COMPLETIONS_START: usize = COMMANDS_START + (COMMAND_CAPACITY * RECORD_WORDS) as usize;
const WORDS: usize = COMPLETIONS_START + (COMPLETION_CAPACITY * RECORD_WORDS) as usize;

/// The shared buffer.
pub struct Queues {
    memory: Arc<Mapping>,
}

impl Queues {
    pub fn new() -> Result<Self, Errno> {
        #[allow(
            clippy::arc_with_non_send_sync,
            reason = "shared with the finalizer of the ArrayBuffer, which may run on another thread"
        )]
        Ok(Self { memory: Arc::new(Mapping::new(WORDS * size_of::<i32>())?) })
    }

    pub fn memory(&self) -> &Arc<Mapping> {
        &self.memory
    }

    fn word(&self, position: usize) -> &AtomicI32 {
        assert!(position < WORDS, "inside the shared buffer");
        let words: NonNull<AtomicI32> = self.memory.start().cast();
        // SAFETY: the position is inside the mapping, which is page-aligned, lives as long as `self` and is only ever
        // accessed as atomic words on our side. JavaScript's plain accesses to it are made by the same thread.
        unsafe { words.add(position).as_ref() }
    }

    fn get(&self, position: usize) -> i32 {
        self.word(position).load(Ordering::Relaxed)
    }

    fn set(&self, position: usize, value: i32) {
        self.word(position).store(value, Ordering::Relaxed);
    }

    /// Commands waiting.
    pub fn commands(&self) -> usize {
        let count = self.get(Header::Commands as usize);
        usize::try_from(count).unwrap_or(0).min(COMMAND_CAPACITY as usize)
    }

    /// Shows the commands: the kind of each, and its words from the handle on.
    pub fn each_record(&self, mut each: impl FnMut(Command, [i32; RECORD_WORDS as usize - 1])) {
        for record in 0..self.commands() {
            let at = COMMANDS_START + record * RECORD_WORDS as usize;
            if let Ok(command) = Command::try_from(self.get(at) & KIND_MASK) {
                each(command, std::array::from_fn(|word| self.get(at + 1 + word)));
            }
        }
    }

    /// Takes the commands out, in order. What makes no sense is skipped: TypeScript's side never writes it.
    pub fn take_commands(&self, mut each: impl FnMut(DecodedCommand)) {
        let count = self.commands();
        for record in 0..count {
            let at = COMMANDS_START + record * RECORD_WORDS as usize;
            let handle = HandleId::from_raw(self.get(at + 1));
            let Ok(command) = Command::try_from(self.get(at) & KIND_MASK) else { continue };
            let decoded = match command {
                Command::ReadStart => DecodedCommand::ReadStart(handle),
                Command::ReadStop => DecodedCommand::ReadStop(handle),
                Command::Write => DecodedCommand::Write { handle, span: self.span(at), last: self.get(at + 5) != 0 },
                Command::WriteWithDescriptors => {
                    let span = self.span(at);
                    // Descriptors go with the first byte.
                    if span.length == 0 {
                        continue;
                    }
                    DecodedCommand::WriteWithDescriptors { handle, span, last: self.get(at + 5) != 0 }
                }
                Command::ShutDown => DecodedCommand::ShutDown(handle),
                Command::Close => DecodedCommand::Close(handle),
                Command::Release => match (u16::try_from(self.get(at + 1)), u16::try_from(self.get(at + 2))) {
                    (Ok(buffer), Ok(slices)) => DecodedCommand::Release { buffer, slices },
                    _ => continue,
                },
                Command::FileRead => self.transfer(handle, at, Direction::Read, false),
                Command::FileReadLinked => self.transfer(handle, at, Direction::Read, true),
                Command::FileWrite => self.transfer(handle, at, Direction::Write, false),
                Command::FileWriteLinked => self.transfer(handle, at, Direction::Write, true),
                Command::FileClose => DecodedCommand::CloseFile { handle, token: self.get(at + 2).cast_unsigned() },
                Command::SendDatagram => DecodedCommand::SendDatagram(handle, self.outgoing(at)),
                Command::Control => DecodedCommand::Control(handle, self.get(at + 2) != 0),
            };
            each(decoded);
        }
        self.set(Header::Commands as usize, 0);
    }

    /// The bytes that the command whose record begins there is about. Words that make no sense become a span that
    /// cannot be resolved, not nothing: TypeScript waits for a report on each.
    fn span(&self, at: usize) -> Span {
        let word = |position| self.get(at + position).cast_unsigned();
        let upper = word(0) >> KIND_BITS;
        Span { region: word(2), offset: u64::from(upper) << 32 | u64::from(word(3)), length: word(4) }
    }

    /// The transfer that a command describes.
    fn transfer(&self, handle: HandleId, at: usize, direction: Direction, linked: bool) -> DecodedCommand {
        let word = |position| self.get(at + position).cast_unsigned();
        let position = (u64::from(word(7)) << 32 | u64::from(word(6))).cast_signed();
        let span = self.span(at);
        let place = Span { length: span.length.min(MAX_PIECE), ..span };
        DecodedCommand::Transfer { handle, transfer: Transfer::new(word(5), direction, place, position), linked }
    }

    /// The datagram that a command describes.
    fn outgoing(&self, at: usize) -> Outgoing {
        let span = self.span(at);
        let packed = self.get(at + 6);
        let length = packed.cast_unsigned() & DESTINATION_LENGTH;
        let region = if packed.cast_unsigned() & DESTINATION_BESIDE == 0 { 0 } else { span.region };
        let offset = u64::from(self.get(at + 5).cast_unsigned());
        Outgoing {
            span,
            destination: (length > 0).then_some(Span { region, offset, length }),
            flags: packed >> SEND_FLAGS_SHIFT & SEND_FLAGS,
            segment: u16::try_from(self.get(at + 7)).unwrap_or(0),
            together: packed.cast_unsigned() & SEND_TOGETHER != 0,
        }
    }

    /// Whether the completion at that place was borrowed by its reader.
    pub fn borrowed(&self, record: usize) -> bool {
        self.get(COMPLETIONS_START + record * RECORD_WORDS as usize + BORROWED_WORD as usize) != 0
    }

    /// Writes a completion at that place, which must be below [`COMPLETION_CAPACITY`].
    pub fn put(&self, record: usize, event: &Event) {
        let (kind, handle, result, first, second, third) = match *event {
            Event::Connected { handle, status } => (Completion::Connected, handle.raw(), status, 0, 0, 0),
            Event::Accepted { listener, peer } => (Completion::Accepted, listener.raw(), peer.raw(), 0, 0, 0),
            Event::AcceptFailed { listener, status } => (Completion::AcceptFailed, listener.raw(), status, 0, 0, 0),
            Event::Received { handle, slice } => {
                // The pool is smaller than 2 GiB.
                (
                    Completion::Received,
                    handle.raw(),
                    slice.length.cast_signed(),
                    slice.offset.cast_signed(),
                    i32::from(slice.buffer),
                    0,
                )
            }
            Event::Ended { handle, status } => (Completion::Ended, handle.raw(), status, 0, 0, 0),
            Event::Written { handle, status } => (Completion::Written, handle.raw(), status, 0, 0, 0),
            Event::ShutDown { handle, status } => (Completion::ShutDown, handle.raw(), status, 0, 0, 0),
            #[allow(clippy::cast_possible_truncation, reason = "the two halves of a size")]
            Event::Opened { token, handle, opened } => {
                self.put_words(
                    record,
                    [
                        Completion::FileOpened as i32,
                        handle.raw(),
                        opened.mode.cast_signed(),
                        token.cast_signed(),
                        opened.size as i32,
                        (opened.size >> 32) as i32,
                        i32::from(opened.local),
                    ],
                );
                return;
            }
            Event::FileDone { token, result } => (Completion::FileDone, -1, result, token.cast_signed(), 0, 0),
            Event::Datagram { handle, received } => {
                self.put_datagram(record, handle, &received);
                return;
            }
            Event::Message { handle, slice, descriptors, lost } => {
                self.put_words(
                    record,
                    [
                        Completion::Message as i32,
                        handle.raw(),
                        slice.length.cast_signed(),
                        slice.offset.cast_signed(),
                        i32::from(slice.buffer),
                        0,
                        i32::from(descriptors),
                        i32::from(lost),
                    ],
                );
                return;
            }
            Event::ReceiveFailed { handle, status } => (Completion::ReceiveFailed, handle.raw(), status, 0, 0, 0),
            Event::Sent { handle, status, count } => {
                (Completion::Sent, handle.raw(), status, count.cast_signed(), 0, 0)
            }
            Event::Closed { handle } => (Completion::Closed, handle.raw(), 0, 0, 0, 0),
        };
        self.put_words(record, [kind as i32, handle, result, first, second, third]);
    }

    fn put_datagram(&self, record: usize, handle: HandleId, received: &Received) {
        let mut lengths = u32::from(received.name_length) | u32::from(received.control_length) << CONTROL_LENGTH_SHIFT;
        if received.truncated {
            lengths |= DATAGRAM_TRUNCATED;
        }
        if received.control_truncated {
            lengths |= DATAGRAM_CONTROL_TRUNCATED;
        }
        let slice = received.slice;
        let mut words = [0; RECORD_WORDS as usize];
        words[0] = Completion::Datagram as i32;
        words[1] = handle.raw();
        words[DatagramWord::Length as usize] = slice.length.cast_signed();
        words[DatagramWord::Offset as usize] = slice.offset.cast_signed();
        words[DatagramWord::Buffer as usize] = slice.buffer.into();
        words[DatagramWord::Name as usize] = received.name.cast_signed();
        words[DatagramWord::Lengths as usize] = lengths.cast_signed();
        self.put_words(record, words);
    }

    /// Writes the completion that says that the ring has failed.
    pub fn put_failure(&self, record: usize, errno: Errno) {
        self.put_words(record, [Completion::RingFailed as i32, -1, errno.negated(), 0, 0, 0]);
    }

    fn put_words<const N: usize>(&self, record: usize, words: [i32; N]) {
        let at = COMPLETIONS_START + record * RECORD_WORDS as usize;
        for (position, word) in words.into_iter().enumerate() {
            self.set(at + position, word);
        }
    }

    /// Hands completions over for dispatch.
    pub fn offer(&self, completions: usize) {
        self.set(Header::Cursor as usize, 0);
        self.set(Header::Completions as usize, i32::try_from(completions).unwrap_or(0));
    }

    /// Whether the dispatch has ended early to let others have their turn. Says so once.
    pub fn take_yielded(&self) -> bool {
        let yielded = self.get(Header::Yielded as usize) != 0;
        if yielded {
            self.set(Header::Yielded as usize, 0);
        }
        yielded
    }

    /// Whether TypeScript has passed all the completions offered.
    pub fn dispatched(&self) -> bool {
        self.undispatched() == 0
    }

    /// How many of the completions offered TypeScript has not passed yet.
    pub fn undispatched(&self) -> usize {
        let left = i64::from(self.get(Header::Completions as usize)) - i64::from(self.get(Header::Cursor as usize));
        usize::try_from(left).unwrap_or(0)
    }

    /// How many of them are of that kind, about that handle.
    pub fn undispatched_of(&self, kind: Completion, handle: HandleId) -> usize {
        let completions = usize::try_from(self.get(Header::Completions as usize)).unwrap_or(0);
        let end = completions.min(COMPLETION_CAPACITY as usize);
        let (kind, handle) = (kind as i32, handle.raw());
        let is_one = |record: &usize| {
            let at = COMPLETIONS_START + record * RECORD_WORDS as usize;
            self.get(at) == kind && self.get(at + 1) == handle
        };
        (end.saturating_sub(self.undispatched())..end).filter(is_one).count()
    }
}
