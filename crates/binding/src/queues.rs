//! The queues between TypeScript and Rust: records of the [`protocol`](crate::protocol) in one shared buffer.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use iouring_reactor::datagram::Outgoing;
use iouring_reactor::file::transfer::Transfer;
use iouring_reactor::kernel::{BufferGroup, Direction};
use iouring_reactor::memory::Mapping;
use iouring_reactor::{Errno, Event, HandleId, Reactor, Received, Ring, Span};

use crate::protocol::{
    BORROWED_WORD, COMMAND_CAPACITY, COMPLETION_CAPACITY, CONTROL_LENGTH_SHIFT, Command, CommandWord, Completion,
    CompletionWord, DATAGRAM_CONTROL_TRUNCATED, DATAGRAM_TRUNCATED, DESTINATION_BESIDE, DESTINATION_LENGTH,
    DatagramWord, FileWord, HEADER_WORDS, Header, KIND_BITS, MAX_PIECE, RECORD_WORDS, ReceivedWord, SEND_FLAGS,
    SEND_FLAGS_SHIFT, SEND_TOGETHER, SENT_WORD,
};

/// What a command asks for.
pub enum DecodedCommand {
    ReadStart { handle: HandleId, in_pieces: bool },
    ReadStop(HandleId),
    ReadCease(HandleId),
    Write { handle: HandleId, span: Span, last: bool },
    WriteWithDescriptors { handle: HandleId, span: Span, last: bool },
    ShutDown(HandleId),
    Close(HandleId),
    Release { group: BufferGroup, buffer: u16, slices: u16 },
    Transfer { handle: HandleId, transfer: Transfer, linked: bool },
    CloseFile { handle: HandleId, token: u32 },
    SendDatagram(HandleId, Outgoing),
    Control(HandleId, bool),
    Share(HandleId),
}

impl DecodedCommand {
    /// Has the reactor do it.
    pub fn apply(self, reactor: &mut Reactor<Ring>) {
        match self {
            Self::ReadStart { handle, in_pieces: false } => reactor.read_start(handle),
            Self::ReadStart { handle, in_pieces: true } => reactor.read_start_in_pieces(handle),
            Self::ReadStop(handle) => reactor.read_stop(handle),
            Self::ReadCease(handle) => reactor.read_cease(handle),
            Self::Write { handle, span, last } => reactor.write(handle, span, last),
            Self::WriteWithDescriptors { handle, span, last } => {
                reactor.write_with_descriptors(handle, span, last);
            }
            Self::ShutDown(handle) => reactor.shut_down_write(handle),
            Self::Close(handle) => reactor.close(handle),
            Self::Release { group, buffer, slices } => (0..slices).for_each(|_| give_back(reactor, group, buffer)),
            Self::Transfer { handle, transfer, linked } => reactor.transfer(handle, transfer, linked),
            Self::CloseFile { handle, token } => reactor.close_file(handle, token),
            Self::SendDatagram(handle, outgoing) => reactor.send_datagram(handle, outgoing),
            Self::Control(handle, wanted) => reactor.set_datagram_control(handle, wanted),
            Self::Share(handle) => reactor.share_datagram(handle),
        }
    }
}

/// Gives a receive buffer back to the kernel, or a slice of one.
pub fn give_back(reactor: &mut Reactor<Ring>, group: BufferGroup, buffer: u16) {
    match group {
        BufferGroup::Bytes => reactor.give_back(buffer),
        BufferGroup::Datagrams => reactor.give_datagram_back(buffer),
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
                each(command, std::array::from_fn(|word| self.get(at + CommandWord::Handle as usize + word)));
            }
        }
    }

    /// Takes the commands out, in order. What makes no sense is skipped: TypeScript's side never writes it.
    pub fn take_commands(&self, mut each: impl FnMut(DecodedCommand)) {
        let count = self.commands();
        for record in 0..count {
            let at = COMMANDS_START + record * RECORD_WORDS as usize;
            let handle = HandleId::from_raw(self.get(at + CommandWord::Handle as usize));
            let Ok(command) = Command::try_from(self.get(at) & KIND_MASK) else { continue };
            let decoded = match command {
                Command::ReadStart => DecodedCommand::ReadStart { handle, in_pieces: self.get(at + 2) != 0 },
                Command::ReadStop => DecodedCommand::ReadStop(handle),
                Command::ReadCease => DecodedCommand::ReadCease(handle),
                Command::Write => {
                    DecodedCommand::Write { handle, span: self.span(at), last: self.is_set(at, CommandWord::Argument) }
                }
                Command::WriteWithDescriptors => {
                    let span = self.span(at);
                    // Descriptors go with the first byte.
                    if span.length == 0 {
                        continue;
                    }
                    DecodedCommand::WriteWithDescriptors { handle, span, last: self.is_set(at, CommandWord::Argument) }
                }
                Command::ShutDown => DecodedCommand::ShutDown(handle),
                Command::Close => DecodedCommand::Close(handle),
                Command::Release | Command::ReleaseDatagram => {
                    let group = match command {
                        Command::Release => BufferGroup::Bytes,
                        _ => BufferGroup::Datagrams,
                    };
                    match (u16::try_from(handle.raw()), u16::try_from(self.argument(at))) {
                        (Ok(buffer), Ok(slices)) => DecodedCommand::Release { group, buffer, slices },
                        _ => continue,
                    }
                }
                Command::FileRead => self.transfer(handle, at, Direction::Read, false),
                Command::FileReadLinked => self.transfer(handle, at, Direction::Read, true),
                Command::FileWrite => self.transfer(handle, at, Direction::Write, false),
                Command::FileWriteLinked => self.transfer(handle, at, Direction::Write, true),
                Command::FileClose => DecodedCommand::CloseFile { handle, token: self.argument(at).cast_unsigned() },
                Command::SendDatagram => DecodedCommand::SendDatagram(handle, self.outgoing(at)),
                Command::Control => DecodedCommand::Control(handle, self.argument(at) != 0),
                Command::Share => DecodedCommand::Share(handle),
            };
            each(decoded);
        }
        self.set(Header::Commands as usize, 0);
    }

    /// The argument of a command that is about no bytes.
    fn argument(&self, at: usize) -> i32 {
        self.get(at + CommandWord::Region as usize)
    }

    fn is_set(&self, at: usize, word: CommandWord) -> bool {
        self.get(at + word as usize) != 0
    }

    /// The bytes that the command whose record begins there is about. Words that make no sense become a span that
    /// cannot be resolved, not nothing: TypeScript waits for a report on each.
    fn span(&self, at: usize) -> Span {
        let word = |position: CommandWord| self.get(at + position as usize).cast_unsigned();
        let upper = self.get(at).cast_unsigned() >> KIND_BITS;
        Span {
            region: word(CommandWord::Region),
            offset: u64::from(upper) << 32 | u64::from(word(CommandWord::Offset)),
            length: word(CommandWord::Length),
        }
    }

    /// The transfer that a command describes.
    fn transfer(&self, handle: HandleId, at: usize, direction: Direction, linked: bool) -> DecodedCommand {
        let word = |position: CommandWord| self.get(at + position as usize).cast_unsigned();
        let (low, high) = (word(CommandWord::First), word(CommandWord::Second));
        let position = (u64::from(high) << 32 | u64::from(low)).cast_signed();
        let token = word(CommandWord::Argument);
        let span = self.span(at);
        let place = Span { length: span.length.min(MAX_PIECE), ..span };
        DecodedCommand::Transfer { handle, transfer: Transfer::new(token, direction, place, position), linked }
    }

    /// The datagram that a command describes.
    fn outgoing(&self, at: usize) -> Outgoing {
        let span = self.span(at);
        let packed = self.get(at + CommandWord::First as usize);
        let length = packed.cast_unsigned() & DESTINATION_LENGTH;
        let region = if packed.cast_unsigned() & DESTINATION_BESIDE == 0 { 0 } else { span.region };
        let offset = u64::from(self.get(at + CommandWord::Argument as usize).cast_unsigned());
        Outgoing {
            span,
            destination: (length > 0).then_some(Span { region, offset, length }),
            flags: packed >> SEND_FLAGS_SHIFT & SEND_FLAGS,
            segment: u16::try_from(self.get(at + CommandWord::Second as usize)).unwrap_or(0),
            together: packed.cast_unsigned() & SEND_TOGETHER != 0,
        }
    }

    /// Whether the completion at that place was borrowed by its reader.
    pub fn borrowed(&self, record: usize) -> bool {
        self.get(COMPLETIONS_START + record * RECORD_WORDS as usize + BORROWED_WORD as usize) != 0
    }

    /// Writes a completion at that place, which must be below [`COMPLETION_CAPACITY`].
    pub fn put(&self, record: usize, event: &Event) {
        // The order of the tuple.
        const {
            assert!(CompletionWord::Handle as u32 == 1 && CompletionWord::Result as u32 == 2);
            assert!(ReceivedWord::Offset as u32 == 3 && FileWord::Token as u32 == 3 && SENT_WORD == 3);
            assert!(ReceivedWord::Buffer as u32 == 4);
        }
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
                let mut words = [0; RECORD_WORDS as usize];
                words[0] = Completion::FileOpened as i32;
                words[CompletionWord::Handle as usize] = handle.raw();
                words[CompletionWord::Result as usize] = opened.mode.cast_signed();
                words[FileWord::Token as usize] = token.cast_signed();
                words[FileWord::SizeLow as usize] = opened.size as i32;
                words[FileWord::SizeHigh as usize] = (opened.size >> 32) as i32;
                words[FileWord::Local as usize] = opened.local.into();
                self.put_words(record, words);
                return;
            }
            Event::FileDone { token, result } => (Completion::FileDone, -1, result, token.cast_signed(), 0, 0),
            Event::Datagram { handle, received } => {
                self.put_datagram(record, handle, &received);
                return;
            }
            Event::Message { handle, slice, descriptors, lost } => {
                let mut words = [0; RECORD_WORDS as usize];
                words[0] = Completion::Message as i32;
                words[CompletionWord::Handle as usize] = handle.raw();
                words[CompletionWord::Result as usize] = slice.length.cast_signed();
                words[ReceivedWord::Offset as usize] = slice.offset.cast_signed();
                words[ReceivedWord::Buffer as usize] = slice.buffer.into();
                words[ReceivedWord::Descriptors as usize] = descriptors.into();
                words[ReceivedWord::Lost as usize] = lost.into();
                self.put_words(record, words);
                return;
            }
            Event::ReceiveFailed { handle, status } => (Completion::ReceiveFailed, handle.raw(), status, 0, 0, 0),
            Event::Sent { handle, status, count } => {
                (Completion::Sent, handle.raw(), status, count.cast_signed(), 0, 0)
            }
            Event::Readable { handle } => (Completion::Readable, handle.raw(), 0, 0, 0, 0),
            Event::Closed { handle } => (Completion::Closed, handle.raw(), 0, 0, 0, 0),
            Event::RingFailed { errno } => (Completion::RingFailed, -1, errno.negated(), 0, 0, 0),
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
        words[CompletionWord::Handle as usize] = handle.raw();
        words[DatagramWord::Length as usize] = slice.length.cast_signed();
        words[DatagramWord::Offset as usize] = slice.offset.cast_signed();
        words[DatagramWord::Buffer as usize] = slice.buffer.into();
        words[DatagramWord::Name as usize] = received.name.cast_signed();
        words[DatagramWord::Lengths as usize] = lengths.cast_signed();
        self.put_words(record, words);
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
            self.get(at) == kind && self.get(at + CompletionWord::Handle as usize) == handle
        };
        (end.saturating_sub(self.undispatched())..end).filter(is_one).count()
    }
}
