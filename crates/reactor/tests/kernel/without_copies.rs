//! Transfers without a copy: long writes, which the kernel makes from the caller's memory, and whatever goes to and
//! from memory that is kept for it. And writes that are followed by a sync.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use iouring_reactor::kernel::{Direction, FileOp};
use iouring_reactor::memory::Mapping;
use iouring_reactor::{Config, Span};

use crate::files::{FileNode, KEPT};
use crate::node::{available, pattern, small};

const LONG: usize = 3 * 1024 * 1024 + 5;

#[test]
fn long_writes_need_no_memory_of_ours() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("long", &small());
    let id = node.file("file", b"", 0);
    let bytes = node.memory.add(pattern(7, LONG));
    let alone = node.start(id, Direction::Write, bytes, 10, false);
    node.turn();
    assert_eq!(node.reactor.stats().bounces, 0);
    assert_eq!(node.result(alone), LONG.try_into().expect("small"));
    let chained = node.start(id, Direction::Write, bytes, 0, true);
    node.call(id, FileOp::Sync { data_only: true }, "", "", false);
    node.turn();
    assert_eq!(node.reactor.stats().bounces, 0);
    assert_eq!(node.result(chained), LONG.try_into().expect("small"));
    let content = fs::read(node.directory.join("file")).expect("there");
    assert_eq!(content.len(), LONG + 10);
    assert!(content[..LONG] == pattern(7, LONG), "other bytes");
    node.close(id);
    node.end();
}

#[test]
fn a_long_write_whose_memory_has_gone_has_failed() {
    if !available() {
        return;
    }
    let mut met = false;
    for _ in 0..50 {
        let mut node = FileNode::new("gone-long", &small());
        let id = node.file("file", b"", 0);
        let bytes = node.memory.add(pattern(7, LONG));
        let write = node.start(id, Direction::Write, bytes, 0, true);
        let sync = node.call(id, FileOp::Sync { data_only: true }, "", "", false);
        node.turn();
        let settled = node.results.contains_key(&write);
        // It must stay mapped: other memory in its place would be as good for this test, but not for others.
        let kept = node.memory.bytes[bytes.region as usize].take();
        let results = [write, sync].map(|token| node.result(token));
        if !settled {
            assert_eq!(results, [-libc::EFAULT, -libc::ECANCELED]);
            met = true;
        }
        drop(kept);
        node.close(id);
        node.end();
    }
    assert!(met, "the write was always done in the first turn");
}

#[test]
fn the_end_waits_for_writes_from_memory_that_is_about_to_go() {
    if !available() {
        return;
    }
    let length = 64 * 1024 * 1024;
    for begun in [false, true, true, true] {
        let mut node = FileNode::new("end-long", &Config::default());
        let id = node.file("file", b"", 0);
        let bytes = node.memory.add(vec![7; length]);
        node.start(id, Direction::Write, bytes, 0, true);
        node.call(id, FileOp::Sync { data_only: true }, "", "", false);
        node.turn();
        let path = node.directory.join("file");
        while begun && fs::metadata(&path).expect("there").len() == 0 {
            std::thread::yield_now();
        }
        node.reactor.shut_down(&mut node.memory, Duration::ZERO);
        drop(node.reactor);
        // Nobody reads it any more, not even the end: what is written now is in no file.
        let memory = node.memory.bytes[bytes.region as usize].as_mut().expect("there");
        memory[length - 1] ^= 0xff;
        memory[length / 2] ^= 0xff;
        std::thread::sleep(Duration::from_millis(50));
        let content = fs::read(path).expect("there");
        assert!(
            (content.is_empty() && !begun) || content == vec![7; length],
            "half of a write: {} bytes",
            content.len()
        );
        fs::remove_dir_all(&node.directory).expect("removed");
    }
}

#[test]
fn records_of_many_commits_come_in_the_order_of_the_calls() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("commits", &small());
    let id = node.file("file", b"", libc::O_APPEND);
    let mut tokens = Vec::new();
    let mut expected = Vec::new();
    for round in 0..20_u8 {
        for record in 0..round {
            let bytes = vec![round * 7 + record; 100 + usize::from(record)];
            expected.extend_from_slice(&bytes);
            let length = i32::try_from(bytes.len()).expect("short");
            let place = node.memory.add(bytes);
            tokens.push((node.start(id, Direction::Write, place, -1, true), length));
            tokens.push((node.call(id, FileOp::Sync { data_only: true }, "", "", false), 0));
        }
        node.turn();
    }
    for (token, result) in tokens {
        assert_eq!(node.result(token), result);
    }
    assert!(fs::read(node.directory.join("file")).expect("there") == expected, "other bytes, or in another order");
    node.close(id);
    node.end();
}

#[test]
fn records_come_in_order_however_often() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("order", &Config::default());
    let id = node.file("file", b"", libc::O_APPEND);
    let mut expected = Vec::new();
    for round in 0..150_u32 {
        let mut last = 0;
        for record in 0..100_u32 {
            let bytes = (round * 100 + record).to_le_bytes();
            expected.extend_from_slice(&bytes);
            let place = node.memory.add(bytes.to_vec());
            node.start(id, Direction::Write, place, -1, true);
            last = node.call(id, FileOp::Sync { data_only: true }, "", "", false);
        }
        assert_eq!(node.result(last), 0);
    }
    let found = fs::read(node.directory.join("file")).expect("there");
    let numbers = |bytes: &[u8]| -> Vec<u32> {
        bytes.chunks(4).map(|four| u32::from_le_bytes(four.try_into().expect("four"))).collect()
    };
    let (found, expected) = (numbers(&found), numbers(&expected));
    let place = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    assert_eq!(place.map(|place| &found[place..(place + 5).min(found.len())]), None, "in another order at {place:?}");
    assert_eq!(found.len(), expected.len());
    node.close(id);
    node.end();
}

#[test]
fn a_record_that_cannot_be_written_cancels_its_own_sync_alone() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("own-sync", &small());
    let id = node.file("file", b"", libc::O_APPEND);
    let good = node.memory.add(b"good".to_vec());
    let gone = node.memory.add(b"gone".to_vec());
    let mut tokens = Vec::new();
    for place in [good, gone, good] {
        tokens.push(node.start(id, Direction::Write, place, -1, true));
        tokens.push(node.call(id, FileOp::Sync { data_only: false }, "", "", false));
    }
    node.memory.bytes[gone.region as usize] = None;
    let results: Vec<_> = tokens.into_iter().map(|token| node.result(token)).collect();
    assert_eq!(results, [4, 0, -libc::EFAULT, -libc::ECANCELED, 4, 0]);
    assert_eq!(fs::read(node.directory.join("file")).expect("there"), b"goodgood");
    node.close(id);
    node.end();
}

/// Kept memory of so many bytes, and the place of it all.
fn keep(node: &mut FileNode, length: usize) -> Span {
    node.memory.kept = Some(Arc::new(Mapping::new(length).expect("memory")));
    Span { region: KEPT, offset: 0, length: length.try_into().expect("small") }
}

fn kept_bytes(node: &FileNode) -> &[u8] {
    let memory = node.memory.kept.as_ref().expect("there");
    // SAFETY: the mapping has that many bytes, and nothing is in flight any more.
    unsafe { std::slice::from_raw_parts(memory.start().as_ptr(), memory.length()) }
}

#[test]
fn kept_memory_goes_to_the_kernel_as_it_is() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("kept", &small());
    let content = pattern(9, 2 << 20);
    let id = node.file("direct", &content, libc::O_DIRECT);
    let all = keep(&mut node, 2 << 20);
    let read = node.start(id, Direction::Read, all, 0, false);
    node.turn();
    assert_eq!(node.reactor.stats().bounces, 0);
    assert_eq!(node.result(read), 2 << 20);
    assert!(kept_bytes(&node) == content);
    let write = node.start(id, Direction::Write, Span { length: 8192, ..all }, 4096, false);
    node.turn();
    assert_eq!(node.reactor.stats().bounces, 0);
    assert_eq!(node.result(write), 8192);
    assert!(fs::read(node.directory.join("direct")).expect("there")[4096..12288] == content[..8192]);

    // Not aligned: the kernel would refuse it, so that it goes through memory of ours.
    let read = node.start(id, Direction::Read, Span { offset: 24, length: 4096, ..all }, 1 << 20, false);
    assert_eq!(node.result(read), 4096);
    assert!(kept_bytes(&node)[24..4120] == content[1 << 20..][..4096]);
    node.close(id);
    node.end();
}

#[test]
fn an_operation_keeps_its_memory_when_nobody_else_does() {
    if !available() {
        return;
    }
    let mut node = FileNode::new("kept-alone", &small());
    let id = node.file("direct", &pattern(9, 1 << 20), libc::O_DIRECT);
    let all = keep(&mut node, 1 << 20);
    let memory = Arc::downgrade(node.memory.kept.as_ref().expect("there"));
    let read = node.start(id, Direction::Read, all, 0, false);
    node.turn();
    let settled = node.results.contains_key(&read);
    node.memory.kept = None;
    assert!(settled || memory.strong_count() == 1, "freed under the kernel's hands");
    assert_eq!(node.result(read), 1 << 20);
    assert_eq!(memory.strong_count(), 0);
    node.close(id);
    node.end();
}
