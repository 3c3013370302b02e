//! Files on the kernel that is there.

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iouring_reactor::buffer_pool::BufferPool;
use iouring_reactor::file::call::{FileCall, STATUS_BYTES, Subject};
use iouring_reactor::file::transfer::Transfer;
use iouring_reactor::kernel::{Direction, FileOp};
use iouring_reactor::memory::Mapping;
use iouring_reactor::{Config, Event, HandleId, Memory, Reactor, Ring, Span};

use crate::node::{available, pattern, ring, small};

/// The region of kept memory; all others are counted up from 0.
pub const KEPT: u32 = u32::MAX;

const PATIENCE: Duration = Duration::from_secs(20);

/// Memory that stays where it is, unless it is taken away.
#[derive(Default)]
pub struct Regions {
    pub bytes: Vec<Option<Vec<u8>>>,
    /// Region [`KEPT`] is this.
    pub kept: Option<Arc<Mapping>>,
}

impl Regions {
    pub fn add(&mut self, bytes: Vec<u8>) -> Span {
        let length = u32::try_from(bytes.len()).expect("small");
        self.bytes.push(Some(bytes));
        Span { region: u32::try_from(self.bytes.len() - 1).expect("few"), offset: 0, length }
    }

    fn get(&self, place: Span) -> &[u8] {
        self.bytes[place.region as usize].as_deref().expect("there")
    }
}

// SAFETY: the length of a region is checked, and of a mapping not exceeded by the tests; neither changes while a turn
// runs.
unsafe impl Memory for Regions {
    fn resolve(&mut self, span: &Span) -> Option<NonNull<u8>> {
        let start = span.offset as usize;
        if span.region == KEPT {
            // SAFETY: tests stay within it.
            return self.kept.as_ref().map(|memory| unsafe { memory.start().add(start) });
        }
        let region = self.bytes.get_mut(span.region as usize)?.as_mut()?;
        NonNull::new(region.get_mut(start..start + span.length as usize)?.as_mut_ptr())
    }

    fn keeper(&mut self, start: NonNull<u8>, _length: u32) -> Option<Arc<Mapping>> {
        let within = |memory: &&Arc<Mapping>| {
            (start.as_ptr() as usize).wrapping_sub(memory.start().as_ptr() as usize) < memory.length()
        };
        self.kept.as_ref().filter(within).cloned()
    }
}

pub struct FileNode {
    pub reactor: Reactor<Ring>,
    pub memory: Regions,
    pub results: HashMap<u32, i32>,
    opened: HashMap<u32, HandleId>,
    token: u32,
    pub directory: PathBuf,
}

impl FileNode {
    pub fn new(name: &str, config: &Config) -> Self {
        let ring = ring(config, false);
        let pool = BufferPool::new(config.recv_buffers, config.recv_buffer_size).expect("memory");
        let directory = std::env::temp_dir().join(format!("iouring-files-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Self {
            reactor: Reactor::new(ring, pool, config.max_completions_per_turn as usize),
            memory: Regions::default(),
            results: HashMap::new(),
            opened: HashMap::new(),
            token: 0,
            directory,
        }
    }

    pub fn add(&mut self, file: fs::File) -> HandleId {
        self.reactor.add_file(OwnedFd::from(file)).expect("room").0
    }

    pub fn file(&mut self, name: &str, content: &[u8], flags: i32) -> HandleId {
        let path = self.directory.join(name);
        fs::write(&path, content).expect("written");
        let file = fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).expect("opened");
        self.add(file)
    }

    fn next(&mut self) -> u32 {
        self.token += 1;
        self.token
    }

    pub fn start(&mut self, id: HandleId, direction: Direction, place: Span, position: i64, linked: bool) -> u32 {
        let token = self.next();
        self.reactor.transfer(id, Transfer::new(token, direction, place, position), linked);
        token
    }

    pub fn call(&mut self, id: HandleId, op: FileOp, path: &str, other: &str, linked: bool) -> u32 {
        self.call_with(id, op, path, other, Subject::default().place, linked)
    }

    /// A call with memory for its answer, or for its value.
    fn call_at(&mut self, id: HandleId, op: FileOp, path: &str, other: &str, place: Span) -> u32 {
        self.call_with(id, op, path, other, place, false)
    }

    fn call_with(&mut self, handle: HandleId, op: FileOp, path: &str, other: &str, place: Span, linked: bool) -> u32 {
        let token = self.next();
        let bytes = |name: &str| match name {
            "" => Vec::new(),
            name => self.directory.join(name).into_os_string().into_encoded_bytes(),
        };
        // The name of an attribute is no path.
        let other = if other.starts_with("user.") { other.as_bytes().to_vec() } else { bytes(other) };
        let subject = Subject { handle, path: &bytes(path), other: &other, place };
        self.reactor.call_file(FileCall::new(token, op, &subject).expect("no zero bytes"), linked);
        token
    }

    pub fn turn(&mut self) {
        self.reactor.turn(&mut self.memory).expect("a ring");
        while let Some(event) = self.reactor.next_event() {
            match event {
                Event::FileDone { token, result } => {
                    assert!(self.results.insert(token, result).is_none(), "settled twice");
                }
                Event::Opened { token, handle, .. } => {
                    self.opened.insert(token, handle);
                }
                _ => {}
            }
        }
    }

    pub fn wait_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "nothing comes any more: {:?}", self.reactor.stats());
            self.turn();
            if !self.reactor.has_work() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    pub fn result(&mut self, token: u32) -> i32 {
        self.wait_until(|node| node.results.contains_key(&token));
        self.results[&token]
    }

    pub fn close(&mut self, id: HandleId) {
        let token = self.next();
        self.reactor.close_file(id, token);
        assert_eq!(self.result(token), 0);
    }

    pub fn end(mut self) {
        self.wait_until(|node| node.reactor.stats().operations == 0);
        let stats = self.reactor.stats();
        assert_eq!((stats.handles, stats.waiting, stats.bounces, stats.backlog), (0, 0, 0, 0), "{stats:?}");
        self.reactor.shut_down(&mut self.memory, PATIENCE);
        assert_eq!(self.reactor.stats().operations, 0);
        fs::remove_dir_all(&self.directory).expect("removed");
    }
}

#[test]
fn what_is_written_is_read_back() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("round", &small());
    for (name, flags) in [("buffered", 0), ("direct", libc::O_DIRECT)] {
        let id = node.file(name, &[], flags);
        // More than a bounce buffer takes in one step.
        let bytes = pattern(1, 3 * 1024 * 1024);
        let from = node.memory.add(bytes.clone());
        let token = node.start(id, Direction::Write, from, 0, false);
        assert_eq!(node.result(token), 3 * 1024 * 1024);
        let to = node.memory.add(vec![0; bytes.len()]);
        let token = node.start(id, Direction::Read, to, 0, false);
        assert_eq!(node.result(token), 3 * 1024 * 1024, "{name}");
        assert!(node.memory.get(to) == bytes, "{name}");
        // At the end there is nothing.
        let place = Span { length: 4096, ..to };
        let token = node.start(id, Direction::Read, place, 3 * 1024 * 1024, false);
        assert_eq!(node.result(token), 0);
        node.close(id);
    }
    node.end();
}

#[test]
fn many_more_than_the_queues_hold_all_settle() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("many", &small());
    let bytes = pattern(2, 64 * 1024);
    let id = node.file("file", &bytes, 0);
    let to = node.memory.add(vec![0; 4096]);
    let tokens: Vec<u32> = (0..20_000_i64)
        .map(|i| {
            let offset = u32::try_from(i % 4000).expect("small");
            node.start(id, Direction::Read, Span { offset: offset.into(), length: 64, ..to }, (i * 61) % 60_000, false)
        })
        .collect();
    node.turn();
    assert!(node.reactor.stats().operations <= 1024, "{:?}", node.reactor.stats());
    for token in tokens {
        assert_eq!(node.result(token), 64);
    }
    node.close(id);
    node.end();
}

#[test]
fn transfers_at_the_files_own_position_come_in_order() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("order", &small());
    let id = node.file("file", &[], 0);
    let all: Vec<u8> = pattern(3, 10_000);
    let from = node.memory.add(all.clone());
    let tokens: Vec<u32> = (0..100)
        .map(|i| node.start(id, Direction::Write, Span { offset: i * 100, length: 100, ..from }, -1, false))
        .collect();
    for token in tokens {
        assert_eq!(node.result(token), 100);
    }
    assert!(fs::read(node.directory.join("file")).expect("readable") == all);
    node.close(id);
    node.end();
}

#[test]
fn memory_that_has_gone_gets_nothing() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("gone", &small());
    let id = node.file("direct", &pattern(4, 8192), libc::O_DIRECT);
    let to = node.memory.add(vec![0; 4096]);
    let token = node.start(id, Direction::Read, to, 0, false);
    // Handed to the kernel, and gone before the bytes are there.
    node.turn();
    let settled = node.results.contains_key(&token);
    node.memory.bytes[to.region as usize] = None;
    let result = node.result(token);
    assert!(result == -libc::EFAULT || settled, "{result}");
    let token = node.start(id, Direction::Write, to, 0, false);
    assert_eq!(node.result(token), -libc::EFAULT);
    node.close(id);
    node.end();
}

#[test]
fn a_failed_link_cancels_what_follows() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("chain", &small());
    let id = node.file("file", b"12345678", 0);
    let bytes = node.memory.add(b"abcd".to_vec());
    let first = node.start(id, Direction::Write, bytes, 0, true);
    let second = node.call(id, FileOp::Sync { data_only: true }, "", "", true);
    let third = node.call(id, FileOp::Rename { flags: 0 }, "file", "renamed", false);
    assert_eq!([first, second, third].map(|token| node.result(token)), [4, 0, 0]);
    assert_eq!(fs::read(node.directory.join("renamed")).expect("renamed"), b"abcd5678");

    let much = node.memory.add(vec![0; 100]);
    let first = node.start(id, Direction::Read, much, 0, true);
    let second = node.start(id, Direction::Write, bytes, 4, true);
    let third = node.call(id, FileOp::Sync { data_only: false }, "", "", false);
    assert_eq!([first, second, third].map(|token| node.result(token)), [8, -libc::ECANCELED, -libc::ECANCELED]);
    assert_eq!(fs::read(node.directory.join("renamed")).expect("there"), b"abcd5678");
    node.close(id);
    node.end();
}

#[test]
fn calls_do_what_their_system_calls_do() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("calls", &small());
    let none = HandleId::from_raw(-1);
    let result = |node: &mut FileNode, op, path: &str, other: &str| {
        let token = node.call(none, op, path, other, false);
        node.result(token)
    };
    let token = node.call(
        none,
        FileOp::Open { flags: libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC, mode: 0o600 },
        "file",
        "",
        false,
    );
    node.wait_until(|node| node.opened.contains_key(&token));
    let id = node.opened[&token];
    let token = node.call(id, FileOp::Allocate { mode: 0, offset: 0, length: 5000 }, "", "", false);
    assert_eq!(node.result(token), 0);
    let place = node.memory.add(vec![0; STATUS_BYTES as usize]);
    let token = node.call_at(none, FileOp::Status { flags: 0 }, "file", "", place);
    assert_eq!(node.result(token), 0);
    assert_eq!(node.memory.get(place)[64..72], 5000_u64.to_ne_bytes());
    assert_eq!(result(&mut node, FileOp::MakeDirectory { mode: 0o700 }, "directory", ""), 0);
    assert_eq!(result(&mut node, FileOp::Link, "file", "directory/link"), 0);
    assert_eq!(result(&mut node, FileOp::Symlink, "file", "symlink"), 0);
    assert_eq!(result(&mut node, FileOp::Unlink { flags: 0 }, "symlink", ""), 0);
    assert_eq!(result(&mut node, FileOp::Unlink { flags: libc::AT_REMOVEDIR }, "directory", ""), -libc::ENOTEMPTY);
    assert_eq!(result(&mut node, FileOp::Open { flags: 0, mode: 0 }, "missing", ""), -libc::ENOENT);
    assert_eq!(result(&mut node, FileOp::Sync { data_only: false }, "", ""), -libc::EBADF);
    node.close(id);
    let token = node.start(id, Direction::Read, place, 0, false);
    assert_eq!(node.result(token), -libc::EBADF);
    node.end();
}

#[test]
fn extended_attributes_go_through_memory_of_the_call() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("xattr", &small());
    let none = HandleId::from_raw(-1);
    let id = node.file("file", b"content", 0);
    let value = node.memory.add(b"value".to_vec());
    let token = node.call_at(id, FileOp::FSetXattr { flags: libc::XATTR_CREATE }, "", "user.a", value);
    match node.result(token) {
        0 => {}
        errno => {
            assert_eq!(errno, -libc::EOPNOTSUPP, "file systems without attributes of users say this");
            node.close(id);
            return node.end();
        }
    }
    let room = node.memory.add(vec![0xaa; 8]);
    let token = node.call_at(none, FileOp::GetXattr, "file", "user.a", room);
    assert_eq!(node.result(token), 5);
    assert_eq!(node.memory.get(room), b"value\xaa\xaa\xaa");

    let longer = node.memory.add(b"longer than that".to_vec());
    let token = node.call_at(none, FileOp::SetXattr { flags: libc::XATTR_REPLACE }, "file", "user.a", longer);
    assert_eq!(node.result(token), 0);
    let token = node.call_at(id, FileOp::FGetXattr, "", "user.a", room);
    assert_eq!(node.result(token), -libc::ERANGE);
    let token = node.call_at(none, FileOp::FGetXattr, "", "user.a", room);
    assert_eq!(node.result(token), -libc::EBADF);

    // What was lent is taken away: before the kernel is asked to set, and while it gets.
    let gone = node.memory.add(vec![0; 4]);
    node.memory.bytes[gone.region as usize] = None;
    let token = node.call_at(id, FileOp::FSetXattr { flags: 0 }, "", "user.b", gone);
    assert_eq!(node.result(token), -libc::EFAULT);
    let token = node.call_at(id, FileOp::FGetXattr, "", "user.a", Span { length: 64, ..gone });
    assert_eq!(node.result(token), -libc::EFAULT);

    let much = Span { length: 65_537, ..longer };
    let subject = Subject { handle: id, other: b"user.a", place: much, ..Subject::default() };
    assert!(FileCall::new(0, FileOp::FSetXattr { flags: 0 }, &subject).is_err());
    node.close(id);
    node.end();
}

#[test]
fn pipes_give_what_they_have() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("pipe", &small());
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let reader = node.reactor.add_file(OwnedFd::from(reader)).expect("room").0;
    let writer = node.reactor.add_file(OwnedFd::from(writer)).expect("room").0;
    let to = node.memory.add(vec![0; 100]);
    let read = node.start(reader, Direction::Read, to, -1, false);
    node.turn();
    let from = node.memory.add(b"hello".to_vec());
    let written = node.start(writer, Direction::Write, from, -1, false);
    assert_eq!((node.result(written), node.result(read)), (5, 5));
    assert_eq!(&node.memory.get(to)[..5], b"hello");
    node.close(writer);
    node.close(reader);
    node.end();
}

#[test]
fn shutting_down_with_reads_in_flight_frees_nothing_early() {
    if !available() {
        return;
    }
    for _ in 0..20 {
        let mut node = FileNode::new("down", &Config::default());
        let id = node.file("direct", &pattern(5, 1024 * 1024), libc::O_DIRECT);
        let to = node.memory.add(vec![0; 4096]);
        for i in 0..256 {
            node.start(id, Direction::Read, to, i * 4096, false);
        }
        node.turn();
        node.reactor.shut_down(&mut node.memory, Duration::from_millis(1));
        drop(node.reactor);
        fs::remove_dir_all(&node.directory).expect("removed");
    }
}
