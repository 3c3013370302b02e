//! Writes that are followed by a sync: how many syncs there are, and who hears of what.

use super::files::Table;
use crate::HandleId;
use crate::fake::Temper;
use crate::file::MOST_IN_FLIGHT;
use crate::file::job::Task;
use crate::kernel::Request;
use crate::kernel::{FileRequest, Until};

/// What the kernel was asked to do, in order: bytes of plain writes, and syncs of both kinds.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Write(u32),
    WriteThrough(u32),
    DataSync,
    Sync,
}

fn asked(table: &Table) -> Vec<Asked> {
    let take = |request: &Request| match *request {
        Request::File { request: FileRequest::Write { length, until: Until::Written, .. }, .. } => {
            Some(Asked::Write(length))
        }
        Request::File { request: FileRequest::Write { length, .. }, .. } => Some(Asked::WriteThrough(length)),
        Request::File { request: FileRequest::Sync { data_only: true, .. }, .. } => Some(Asked::DataSync),
        Request::File { request: FileRequest::Sync { .. }, .. } => Some(Asked::Sync),
        _ => None,
    };
    table.bench.world.borrow().executed.iter().filter_map(take).collect()
}

fn table() -> Table {
    Table::new(Temper::kind(), false)
}

fn end(mut table: Table) {
    table.finish();
    table.close();
    table.finish();
}

#[test]
fn those_that_come_together_share_one_sync() {
    let mut table = table();
    let tokens: Vec<_> = (1..=8).map(|length| table.commit(0, length)).collect();
    table.finish();
    let mut expected: Vec<_> = (1..=8).map(Asked::Write).collect();
    expected.push(Asked::DataSync);
    assert_eq!(asked(&table), expected);
    for (index, [write, sync]) in tokens.into_iter().enumerate() {
        let length = i32::try_from(index + 1).expect("small");
        assert_eq!((table.settled[&write], table.settled[&sync]), (length, 0));
    }
    end(table);
}

#[test]
fn those_that_come_meanwhile_are_the_next_group() {
    let mut table = table();
    table.commit(0, 1);
    table.turn();
    for length in 2..=4 {
        table.commit(0, length);
    }
    table.finish();
    let expected =
        [Asked::Write(1), Asked::DataSync, Asked::Write(2), Asked::Write(3), Asked::Write(4), Asked::DataSync];
    assert_eq!(asked(&table), expected);
    end(table);
}

#[test]
fn a_group_has_an_end() {
    let mut table = table();
    for _ in 0..3 * MOST_IN_FLIGHT {
        table.commit(0, 1);
    }
    table.finish();
    let asked = asked(&table);
    let longest = asked.split(|asked| *asked == Asked::DataSync).map(<[_]>::len).max();
    assert_eq!(asked.iter().filter(|&asked| *asked == Asked::Write(1)).count(), 3 * MOST_IN_FLIGHT);
    assert_eq!(longest, Some(256), "whoever comes first waits for all the others");
    end(table);
}

#[test]
fn one_alone_writes_through_where_nothing_else_is_left_to_sync() {
    let mut table = table();
    table.commit(0, 1);
    table.finish();
    table.commit(0, 2);
    table.finish();
    // This one is in nobody's sync.
    table.write(0, 3, false);
    table.finish();
    table.commit(0, 4);
    table.finish();
    table.commit(0, 5);
    table.finish();
    let expected = [
        Asked::Write(1),
        Asked::DataSync,
        Asked::WriteThrough(2),
        Asked::Write(3),
        Asked::Write(4),
        Asked::DataSync,
        Asked::WriteThrough(5),
    ];
    assert_eq!(asked(&table), expected);
    assert!(table.settled.values().all(|&result| result >= 0));
    end(table);
}

#[test]
fn what_is_asked_for_afterwards_stays_behind_the_writes() {
    let mut table = table();
    table.commit(0, 1);
    table.write(0, 2, false);
    table.finish();
    assert_eq!(asked(&table), [Asked::Write(1), Asked::Write(2), Asked::DataSync]);
    end(table);
}

#[test]
fn one_that_wants_the_metadata_gets_it_for_all() {
    let mut table = table();
    table.commit(0, 1);
    table.write(0, 2, true);
    table.sync(false);
    table.commit(0, 3);
    table.finish();
    assert_eq!(asked(&table), [Asked::Write(1), Asked::Write(2), Asked::Write(3), Asked::Sync]);
    end(table);
}

#[test]
fn a_sync_of_another_file_is_none_of_this_one() {
    let mut table = table();
    table.write(0, 1, true);
    let sync = table.job(HandleId::from_raw(-1), Task::Sync, false);
    table.finish();
    assert_eq!(table.settled[&sync], -libc::EBADF);
    assert_eq!(asked(&table), [Asked::Write(1)]);
    end(table);
}

/// A kernel that fails, shortens, puts off and reorders.
fn whim(seed: u64) -> Temper {
    Temper { seed, malice: 60, budget: 100, ..Temper::kind() }
}

#[test]
fn nothing_is_called_synced_that_is_not() {
    let (mut short, mut failed) = (0, 0);
    for seed in 0..300 {
        let mut table = Table::new(whim(seed), true);
        let tokens: Vec<_> = (0..4).map(|_| table.commit(0, 10)).collect();
        table.finish();
        for [write, sync] in &tokens {
            let complete = table.settled[write] == 10;
            assert!(complete || table.settled[sync] == -libc::ECANCELED, "{seed}: {:?}", table.settled);
            short += usize::from(!complete);
        }
        // After a sync that failed the next one alone syncs everything, and after a write that did not see to itself.
        for length in 20_u32..24 {
            let before = asked(&table).len();
            let [_, sync] = table.commit(0, length as usize);
            table.finish();
            let bad = table.settled[&sync] != 0;
            table.commit(0, length as usize);
            table.finish();
            let last = asked(&table).split_off(before).pop();
            assert!(!bad || last != Some(Asked::WriteThrough(length)), "{seed}: {:?}", asked(&table));
            failed += usize::from(bad);
        }
        end(table);
    }
    assert!(short > 0 && failed > 0, "everything went well");
}

#[test]
fn a_group_is_not_joined_once_it_has_started() {
    let mut met = 0;
    for seed in 0..200 {
        let mut table = Table::new(whim(seed), true);
        let [first, sync] = table.commit(0, 1);
        table.turn();
        let under_way = !table.settled.contains_key(&sync);
        table.commit(0, 2);
        table.finish();
        if under_way && table.settled[&first] == 1 {
            met += 1;
            assert_eq!(asked(&table)[..2], [Asked::Write(1), Asked::DataSync], "{seed}");
        }
        end(table);
    }
    assert!(met > 0, "the first was always done at once");
}

#[test]
fn a_write_of_another_chain_is_not_taken_for_synced() {
    let mut table = table();
    table.commit(0, 1);
    table.finish();
    table.write(0, 2, true);
    table.write(0, 2, true);
    table.job(HandleId::from_raw(-1), Task::Sync, false);
    table.finish();
    table.commit(0, 3);
    table.finish();
    assert_eq!(asked(&table)[4..], [Asked::Write(3), Asked::DataSync]);
    end(table);
}

#[test]
fn a_write_that_is_under_way_meanwhile_is_not_taken_for_synced() {
    let mut met = 0;
    for seed in 0..200 {
        let mut table = Table::new(whim(seed), true);
        table.commit(0, 1);
        let other = table.write(0, 2, false);
        let mut outlived = false;
        while table.bench.reactor.has_work() {
            table.turn();
            outlived |= asked(&table).contains(&Asked::DataSync) && !table.settled.contains_key(&other);
        }
        table.commit(0, 3);
        table.finish();
        assert!(!outlived || !asked(&table).contains(&Asked::WriteThrough(3)), "{seed}: {:?}", asked(&table));
        met += usize::from(outlived);
        end(table);
    }
    assert!(met > 0, "no write outlived the start of the sync");
}

#[test]
fn what_a_close_finds_waiting_is_cancelled_with_its_sync() {
    let mut table = table();
    let first = table.commit(0, 1);
    table.turn();
    let second = table.commit(0, 2);
    table.close();
    table.finish();
    assert!(table.closed());
    assert_eq!(second.map(|token| table.settled[&token]), [-libc::ECANCELED; 2]);
    assert!(first.iter().all(|token| table.settled.contains_key(token)));
}
