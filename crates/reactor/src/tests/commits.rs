//! Writes that are followed by a sync: how many syncs there are, and who hears of what.

use super::file_simulation::FileSimulation;
use crate::HandleId;
use crate::fake::Behavior;
use crate::file::MAX_IN_FLIGHT;
use crate::kernel::{Direction, Durability, FileOp, FileRequest, Request};

/// What the kernel was asked to do, in order: bytes of plain writes, and syncs of both kinds.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Write(u32),
    WriteThrough(u32),
    DataSync,
    Sync,
}

fn asked(files: &FileSimulation) -> Vec<Asked> {
    let take = |request: &Request| match *request {
        Request::File {
            request: FileRequest::Transfer { direction: Direction::Write, length, durability: Durability::Written, .. },
            ..
        } => Some(Asked::Write(length)),
        Request::File { request: FileRequest::Transfer { direction: Direction::Write, length, .. }, .. } => {
            Some(Asked::WriteThrough(length))
        }
        Request::File { request: FileRequest::Op { op: FileOp::Sync { data_only: true }, .. }, .. } => {
            Some(Asked::DataSync)
        }
        Request::File { request: FileRequest::Op { op: FileOp::Sync { .. }, .. }, .. } => Some(Asked::Sync),
        _ => None,
    };
    files.simulation.world.borrow().executed.iter().filter_map(take).collect()
}

fn files() -> FileSimulation {
    FileSimulation::new(Behavior::faultless(), false)
}

fn end(mut files: FileSimulation) {
    files.finish();
    files.close();
    files.finish();
}

#[test]
fn those_that_come_together_share_one_sync() {
    let mut files = files();
    let tokens: Vec<_> = (1..=8).map(|length| files.commit(0, length)).collect();
    files.finish();
    let mut expected: Vec<_> = (1..=8).map(Asked::Write).collect();
    expected.push(Asked::DataSync);
    assert_eq!(asked(&files), expected);
    for (index, [write, sync]) in tokens.into_iter().enumerate() {
        let length = i32::try_from(index + 1).expect("small");
        assert_eq!((files.settled[&write], files.settled[&sync]), (length, 0));
    }
    end(files);
}

#[test]
fn those_that_come_meanwhile_are_the_next_group() {
    let mut files = files();
    files.commit(0, 1);
    files.turn();
    for length in 2..=4 {
        files.commit(0, length);
    }
    files.finish();
    let expected =
        [Asked::Write(1), Asked::DataSync, Asked::Write(2), Asked::Write(3), Asked::Write(4), Asked::DataSync];
    assert_eq!(asked(&files), expected);
    end(files);
}

#[test]
fn a_group_has_an_end() {
    let mut files = files();
    for _ in 0..3 * MAX_IN_FLIGHT {
        files.commit(0, 1);
    }
    files.finish();
    let asked = asked(&files);
    let longest = asked.split(|asked| *asked == Asked::DataSync).map(<[_]>::len).max();
    assert_eq!(asked.iter().filter(|&asked| *asked == Asked::Write(1)).count(), 3 * MAX_IN_FLIGHT);
    assert_eq!(longest, Some(256), "whoever comes first waits for all the others");
    end(files);
}

#[test]
fn one_alone_writes_through_where_nothing_else_is_left_to_sync() {
    let mut files = files();
    files.commit(0, 1);
    files.finish();
    files.commit(0, 2);
    files.finish();
    // This one is in nobody's sync.
    files.write(0, 3, false);
    files.finish();
    files.commit(0, 4);
    files.finish();
    files.commit(0, 5);
    files.finish();
    let expected = [
        Asked::Write(1),
        Asked::DataSync,
        Asked::WriteThrough(2),
        Asked::Write(3),
        Asked::Write(4),
        Asked::DataSync,
        Asked::WriteThrough(5),
    ];
    assert_eq!(asked(&files), expected);
    assert!(files.settled.values().all(|&result| result >= 0));
    end(files);
}

#[test]
fn what_is_asked_for_afterwards_stays_behind_the_writes() {
    let mut files = files();
    files.commit(0, 1);
    files.write(0, 2, false);
    files.finish();
    assert_eq!(asked(&files), [Asked::Write(1), Asked::Write(2), Asked::DataSync]);
    end(files);
}

#[test]
fn one_that_wants_the_metadata_gets_it_for_all() {
    let mut files = files();
    files.commit(0, 1);
    files.write(0, 2, true);
    files.sync(false);
    files.commit(0, 3);
    files.finish();
    assert_eq!(asked(&files), [Asked::Write(1), Asked::Write(2), Asked::Write(3), Asked::Sync]);
    end(files);
}

#[test]
fn a_sync_of_another_file_is_none_of_this_one() {
    let mut files = files();
    files.write(0, 1, true);
    let sync = files.call(HandleId::from_raw(-1), FileOp::Sync { data_only: false }, false);
    files.finish();
    assert_eq!(files.settled[&sync], -libc::EBADF);
    assert_eq!(asked(&files), [Asked::Write(1)]);
    end(files);
}

/// A kernel that fails, shortens, puts off and reorders.
fn whim(seed: u64) -> Behavior {
    Behavior { seed, fault_rate: 60, budget: 100, ..Behavior::faultless() }
}

#[test]
fn nothing_is_called_synced_that_is_not() {
    let (mut short, mut failed) = (0, 0);
    for seed in 0..300 {
        let mut files = FileSimulation::new(whim(seed), true);
        let tokens: Vec<_> = (0..4).map(|_| files.commit(0, 10)).collect();
        files.finish();
        for [write, sync] in &tokens {
            let complete = files.settled[write] == 10;
            assert!(complete || files.settled[sync] == -libc::ECANCELED, "{seed}: {:?}", files.settled);
            short += usize::from(!complete);
        }
        // After a sync that failed the next one alone syncs everything, and after a write that did not see to itself.
        for length in 20_u32..24 {
            let before = asked(&files).len();
            let [_, sync] = files.commit(0, length as usize);
            files.finish();
            let bad = files.settled[&sync] != 0;
            files.commit(0, length as usize);
            files.finish();
            let last = asked(&files).split_off(before).pop();
            assert!(!bad || last != Some(Asked::WriteThrough(length)), "{seed}: {:?}", asked(&files));
            failed += usize::from(bad);
        }
        end(files);
    }
    assert!(short > 0 && failed > 0, "everything went well");
}

#[test]
fn a_group_is_not_joined_once_it_has_started() {
    let mut met = 0;
    for seed in 0..200 {
        let mut files = FileSimulation::new(whim(seed), true);
        let [first, sync] = files.commit(0, 1);
        files.turn();
        let under_way = !files.settled.contains_key(&sync);
        files.commit(0, 2);
        files.finish();
        if under_way && files.settled[&first] == 1 {
            met += 1;
            assert_eq!(asked(&files)[..2], [Asked::Write(1), Asked::DataSync], "{seed}");
        }
        end(files);
    }
    assert!(met > 0, "the first was always done at once");
}

#[test]
fn a_write_of_another_chain_is_not_taken_for_synced() {
    let mut files = files();
    files.commit(0, 1);
    files.finish();
    files.write(0, 2, true);
    files.write(0, 2, true);
    files.call(HandleId::from_raw(-1), FileOp::Sync { data_only: false }, false);
    files.finish();
    files.commit(0, 3);
    files.finish();
    assert_eq!(asked(&files)[4..], [Asked::Write(3), Asked::DataSync]);
    end(files);
}

#[test]
fn a_write_that_is_under_way_meanwhile_is_not_taken_for_synced() {
    let mut met = 0;
    for seed in 0..200 {
        let mut files = FileSimulation::new(whim(seed), true);
        files.commit(0, 1);
        let other = files.write(0, 2, false);
        let mut outlived = false;
        while files.simulation.reactor.has_work() {
            files.turn();
            outlived |= asked(&files).contains(&Asked::DataSync) && !files.settled.contains_key(&other);
        }
        files.commit(0, 3);
        files.finish();
        assert!(!outlived || !asked(&files).contains(&Asked::WriteThrough(3)), "{seed}: {:?}", asked(&files));
        met += usize::from(outlived);
        end(files);
    }
    assert!(met > 0, "no write outlived the start of the sync");
}

#[test]
fn what_a_close_finds_waiting_is_cancelled_with_its_sync() {
    let mut files = files();
    let first = files.commit(0, 1);
    files.turn();
    let second = files.commit(0, 2);
    files.close();
    files.finish();
    assert!(files.closed());
    assert_eq!(second.map(|token| files.settled[&token]), [-libc::ECANCELED; 2]);
    assert!(first.iter().all(|token| files.settled.contains_key(token)));
}
