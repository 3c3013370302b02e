//! Long writes, which the kernel makes from the caller's memory, and writes that are followed by a sync.

use std::fs;
use std::time::Duration;

use iouring_reactor::Config;
use iouring_reactor::file::job::Task;
use iouring_reactor::file::transfer::Direction;

use crate::files::Desk;
use crate::node::{available, pattern, small};

const LONG: usize = 3 * 1024 * 1024 + 5;

#[test]
fn long_writes_need_no_memory_of_ours() {
    if !available() {
        return;
    }
    let mut desk = Desk::new("long", &small());
    let id = desk.file("file", b"", 0);
    let bytes = desk.memory.add(pattern(7, LONG));
    let alone = desk.start(id, Direction::Write, bytes, 10, false);
    desk.turn();
    assert_eq!(desk.reactor.stats().bounces, 0);
    assert_eq!(desk.result(alone), LONG.try_into().expect("small"));
    let chained = desk.start(id, Direction::Write, bytes, 0, true);
    desk.job(id, Task::DataSync, "", "", false);
    desk.turn();
    assert_eq!(desk.reactor.stats().bounces, 0);
    assert_eq!(desk.result(chained), LONG.try_into().expect("small"));
    let content = fs::read(desk.directory.join("file")).expect("there");
    assert_eq!(content.len(), LONG + 10);
    assert!(content[..LONG] == pattern(7, LONG), "other bytes");
    desk.close(id);
    desk.end();
}

#[test]
fn a_long_write_whose_memory_has_gone_has_failed() {
    if !available() {
        return;
    }
    let mut met = false;
    for _ in 0..50 {
        let mut desk = Desk::new("gone-long", &small());
        let id = desk.file("file", b"", 0);
        let bytes = desk.memory.add(pattern(7, LONG));
        let write = desk.start(id, Direction::Write, bytes, 0, true);
        let sync = desk.job(id, Task::DataSync, "", "", false);
        desk.turn();
        let settled = desk.results.contains_key(&write);
        // It must stay mapped: other memory in its place would be as good for this test, but not for others.
        let kept = desk.memory.bytes[bytes.region as usize].take();
        let results = [write, sync].map(|token| desk.result(token));
        if !settled {
            assert_eq!(results, [-libc::EFAULT, -libc::ECANCELED]);
            met = true;
        }
        drop(kept);
        desk.close(id);
        desk.end();
    }
    assert!(met, "the write was always done in the first turn");
}

#[test]
fn the_end_waits_for_writes_from_memory_that_is_about_to_go() {
    if !available() {
        return;
    }
    let length = 64 * 1024 * 1024;
    let mut whole = 0;
    for delay in [1, 2, 4, 8] {
        let mut desk = Desk::new("end-long", &Config::default());
        let id = desk.file("file", b"", 0);
        let bytes = desk.memory.add(vec![7; length]);
        desk.start(id, Direction::Write, bytes, 0, true);
        desk.job(id, Task::DataSync, "", "", false);
        desk.turn();
        // Time for a worker to begin.
        std::thread::sleep(Duration::from_millis(delay));
        if !desk.reactor.shut_down(&mut desk.memory, Duration::ZERO) {
            desk.reactor.abandon();
        }
        // Nobody reads it any more, not even the end: what is written now is in no file.
        let memory = desk.memory.bytes[bytes.region as usize].as_mut().expect("there");
        memory[length - 1] ^= 0xff;
        memory[length / 2] ^= 0xff;
        std::thread::sleep(Duration::from_millis(50));
        let content = fs::read(desk.directory.join("file")).expect("there");
        assert!(content.is_empty() || content == vec![7; length], "half of a write: {} bytes", content.len());
        whole += usize::from(!content.is_empty());
        fs::remove_dir_all(&desk.directory).expect("removed");
    }
    assert!(whole > 0, "no write had begun");
}

#[test]
fn records_of_many_commits_come_in_the_order_of_the_calls() {
    if !available() {
        return;
    }
    let mut desk = Desk::new("commits", &small());
    let id = desk.file("file", b"", libc::O_APPEND);
    let mut tokens = Vec::new();
    let mut expected = Vec::new();
    for round in 0..20_u8 {
        for record in 0..round {
            let bytes = vec![round * 7 + record; 100 + usize::from(record)];
            expected.extend_from_slice(&bytes);
            let length = i32::try_from(bytes.len()).expect("short");
            let place = desk.memory.add(bytes);
            tokens.push((desk.start(id, Direction::Write, place, -1, true), length));
            tokens.push((desk.job(id, Task::DataSync, "", "", false), 0));
        }
        desk.turn();
    }
    for (token, result) in tokens {
        assert_eq!(desk.result(token), result);
    }
    assert!(fs::read(desk.directory.join("file")).expect("there") == expected, "other bytes, or in another order");
    desk.close(id);
    desk.end();
}

#[test]
fn a_record_that_cannot_be_written_cancels_its_own_sync_alone() {
    if !available() {
        return;
    }
    let mut desk = Desk::new("own-sync", &small());
    let id = desk.file("file", b"", libc::O_APPEND);
    let good = desk.memory.add(b"good".to_vec());
    let gone = desk.memory.add(b"gone".to_vec());
    let mut tokens = Vec::new();
    for place in [good, gone, good] {
        tokens.push(desk.start(id, Direction::Write, place, -1, true));
        tokens.push(desk.job(id, Task::Sync, "", "", false));
    }
    desk.memory.bytes[gone.region as usize] = None;
    let results: Vec<_> = tokens.into_iter().map(|token| desk.result(token)).collect();
    assert_eq!(results, [4, 0, -libc::EFAULT, -libc::ECANCELED, 4, 0]);
    assert_eq!(fs::read(desk.directory.join("file")).expect("there"), b"goodgood");
    desk.close(id);
    desk.end();
}
