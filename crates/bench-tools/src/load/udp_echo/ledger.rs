//! What has been sent, what has come back, what is lost.
//!
//! A datagram begins with the number of its slot and its generation in the slot, four bytes each, little-endian; the
//! rest is the pattern's at a place that both decide. A slot has one datagram under way at a time. One that does not
//! come back in time is given up: it counts as lost, and the slot may be used again. Should it come back after all, it
//! is late and lost no more. What was never sent, or has come back already, is an error.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::pattern::Pattern;

/// Bytes that tell slot and generation: no datagram is shorter.
pub(crate) const HEAD: usize = 8;

/// Datagrams that were sent while it was measured, and what became of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    /// In time or late.
    pub(crate) received: u64,
    /// Given up, and not come back since.
    pub(crate) lost: u64,
    /// Received, but after they had been given up.
    pub(crate) late: u64,
}

#[derive(Clone, Copy)]
struct Issue {
    at: Instant,
    counts: bool,
}

#[derive(Clone, Default)]
struct Slot {
    /// Of the datagram under way, or of the next.
    generation: u32,
    under_way: Option<Issue>,
}

/// See the module.
pub(crate) struct Ledger {
    pattern: Pattern,
    size: usize,
    slots: Vec<Slot>,
    sockets: usize,
    /// Given up: by slot and generation, whether it counts.
    given_up: HashMap<(usize, u32), bool>,
    pub(crate) tally: Tally,
}

impl Ledger {
    /// For datagrams of `size` bytes, at least [`HEAD`], in slots that are dealt out to `sockets` in turn.
    pub(crate) fn new(size: usize, slots: usize, sockets: usize) -> Self {
        assert!(size >= HEAD && sockets > 0);
        Self {
            pattern: Pattern::new(size),
            size,
            slots: vec![Slot::default(); slots],
            sockets,
            given_up: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Writes the next datagram of a slot. One that is still under way there is given up. `counts`: it is sent while it
    /// is measured.
    pub(crate) fn issue(&mut self, slot: usize, now: Instant, counts: bool, bytes: &mut [u8]) {
        self.give_up(slot);
        let generation = self.slots[slot].generation;
        self.slots[slot].under_way = Some(Issue { at: now, counts });
        self.tally.sent += u64::from(counts);
        bytes[..4].copy_from_slice(&(slot as u32).to_le_bytes());
        bytes[4..HEAD].copy_from_slice(&generation.to_le_bytes());
        bytes[HEAD..].copy_from_slice(self.body(slot, generation));
    }

    fn body(&self, slot: usize, generation: u32) -> &[u8] {
        self.pattern.at(slot, u64::from(generation) * self.size as u64, self.size - HEAD)
    }

    /// Takes what has come back on a socket. Returns the slot, and when the datagram was sent; `None` if it is late:
    /// then the slot is in use already.
    pub(crate) fn take(&mut self, socket: usize, bytes: &[u8]) -> anyhow::Result<Option<(usize, Instant)>> {
        anyhow::ensure!(bytes.len() == self.size, "{} bytes came back, not {}", bytes.len(), self.size);
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (slot, generation) = (number(0) as usize, number(4));
        anyhow::ensure!(slot < self.slots.len(), "a datagram came back that was never sent");
        anyhow::ensure!(slot % self.sockets == socket, "a datagram came back to another socket than its sender's");
        anyhow::ensure!(bytes[HEAD..] == *self.body(slot, generation), "slot {slot}: wrong bytes in {generation}");
        let place = &mut self.slots[slot];
        if place.generation == generation
            && let Some(issue) = place.under_way.take()
        {
            place.generation = generation.wrapping_add(1);
            self.tally.received += u64::from(issue.counts);
            return Ok(Some((slot, issue.at)));
        }
        let Some(counts) = self.given_up.remove(&(slot, generation)) else {
            anyhow::bail!("slot {slot}: {generation} came back twice, or was never sent");
        };
        if counts {
            self.tally.lost -= 1;
            self.tally.late += 1;
            self.tally.received += 1;
        }
        Ok(None)
    }

    /// Gives up what is under way in a slot.
    fn give_up(&mut self, slot: usize) {
        let place = &mut self.slots[slot];
        if let Some(issue) = place.under_way.take() {
            self.given_up.insert((slot, place.generation), issue.counts);
            place.generation = place.generation.wrapping_add(1);
            self.tally.lost += u64::from(issue.counts);
        }
    }

    /// Gives up what has been under way for longer than `patience`, and adds the slots to `free`.
    pub(crate) fn give_up_overdue(&mut self, now: Instant, patience: Duration, free: &mut Vec<usize>) {
        for slot in 0..self.slots.len() {
            let overdue = |issue: Issue| now.saturating_duration_since(issue.at) > patience;
            if self.slots[slot].under_way.is_some_and(overdue) {
                self.give_up(slot);
                free.push(slot);
            }
        }
    }

    /// Whether nothing that counts is still expected.
    pub(crate) fn is_settled(&self) -> bool {
        !self.slots.iter().any(|slot| slot.under_way.is_some_and(|issue| issue.counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 64;

    fn issued(ledger: &mut Ledger, slot: usize, at: Instant) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        ledger.issue(slot, at, true, &mut bytes);
        bytes
    }

    #[test]
    fn tells_what_came_back_from_what_is_lost() {
        let mut ledger = Ledger::new(SIZE, 4, 2);
        let start = Instant::now();
        let datagrams: Vec<_> = (0..4).map(|slot| issued(&mut ledger, slot, start)).collect();
        assert_eq!(ledger.take(1, &datagrams[3]).unwrap(), Some((3, start)));
        assert_eq!(ledger.take(0, &datagrams[0]).unwrap(), Some((0, start)));
        let later = start + Duration::from_millis(200);
        let again = issued(&mut ledger, 3, later);
        assert_ne!(again, datagrams[3], "the same slot sends something else");
        let mut free = Vec::new();
        ledger.give_up_overdue(later, Duration::from_millis(100), &mut free);
        assert_eq!(free, [1, 2]);
        assert_eq!(ledger.tally, Tally { sent: 5, received: 2, lost: 2, late: 0 });
        assert!(!ledger.is_settled());
        ledger.take(1, &again).unwrap();
        assert!(ledger.is_settled());
    }

    #[test]
    fn takes_back_a_loss_that_was_merely_late() {
        let mut ledger = Ledger::new(SIZE, 1, 1);
        let now = Instant::now();
        let first = issued(&mut ledger, 0, now);
        let second = issued(&mut ledger, 0, now);
        assert_eq!(ledger.tally.lost, 1);
        assert_eq!(ledger.take(0, &first).unwrap(), None);
        assert_eq!(ledger.tally, Tally { sent: 2, received: 1, lost: 0, late: 1 });
        assert_eq!(ledger.take(0, &second).unwrap(), Some((0, now)));
        assert!(ledger.take(0, &first).is_err(), "late, and twice");
    }

    #[test]
    fn counts_nothing_outside_the_measured_time() {
        let mut ledger = Ledger::new(SIZE, 1, 1);
        let mut bytes = vec![0; SIZE];
        ledger.issue(0, Instant::now(), false, &mut bytes);
        assert!(ledger.is_settled());
        ledger.issue(0, Instant::now(), false, &mut bytes.clone());
        ledger.take(0, &bytes).unwrap();
        assert_eq!(ledger.tally, Tally::default());
    }

    #[test]
    fn refuses_what_was_not_sent() {
        let mut ledger = Ledger::new(SIZE, 2, 2);
        let right = issued(&mut ledger, 1, Instant::now());
        for (change, at) in [("slot", 0), ("generation", 4), ("first byte", HEAD), ("last byte", SIZE - 1)] {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert!(ledger.take(1, &wrong).is_err(), "{change}");
        }
        assert!(ledger.take(1, &right[..SIZE - 1]).is_err(), "cut");
        assert!(ledger.take(0, &right).is_err(), "another socket's");
        assert!(ledger.take(1, &right).unwrap().is_some());
        assert!(ledger.take(1, &right).is_err(), "twice");
    }
}
