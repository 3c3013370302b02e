//! A read or a write on its way, and the pure part of what comes next.

use crate::kernel::Direction;
use crate::memory::Span;

/// A read or a write. Moves `place.length` bytes in as many steps as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Whose it is.
    pub token: u32,
    /// Which way.
    pub direction: Direction,
    /// The memory, JavaScript's.
    pub place: Span,
    /// Where in the file; negative for the file's own position.
    pub position: i64,
    /// Bytes done so far.
    pub(crate) done: u32,
    /// What it is to others.
    pub(crate) role: Role,
    /// How it is tried.
    pub(crate) attempt: Attempt,
}

/// What a transfer is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing: it says where, and nobody waits for it.
    Single,
    /// It is at the file's own position, and the next one there waits for it.
    AtCursor,
    /// A step of a chain, of which the kernel has the others as well: it is done by one request, or ends the chain.
    Step,
    /// A write that a sync follows; by one request as well. See [`commit`](crate::file::commit).
    Commit(Commit),
}

/// How a transfer is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The kernel may be asked to do it at once or to refuse.
    First,
    /// It has refused, or need not be asked: another [carrier](crate::file::carrier) is needed.
    Refused,
}

/// Who waits for the sync behind a write, and for which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Whose it is.
    pub(crate) token: u32,
    /// `fdatasync(2)` will do.
    pub(crate) data_only: bool,
    /// What sees to it.
    pub(crate) by: SyncedBy,
}

/// What gets a write to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncedBy {
    /// A sync that its group shares.
    Group,
    /// The write itself (`RWF_DSYNC`, `RWF_SYNC`): nothing follows.
    Write,
}

impl Role {
    /// Whether one request has to do all of it.
    pub(crate) fn is_whole(self) -> bool {
        matches!(self, Self::Step | Self::Commit(_))
    }
}

impl Transfer {
    /// A transfer of which nothing has been done.
    #[must_use]
    pub fn new(token: u32, direction: Direction, place: Span, position: i64) -> Self {
        Self { token, direction, place, position, done: 0, role: Role::Single, attempt: Attempt::First }
    }

    /// Who waits for a sync behind it.
    pub(crate) fn commit(&self) -> Option<Commit> {
        if let Role::Commit(commit) = self.role { Some(commit) } else { None }
    }

    /// The memory of what is left.
    #[must_use]
    pub(crate) fn rest(&self) -> Span {
        Span {
            offset: self.place.offset.saturating_add(self.done.into()),
            length: self.place.length - self.done,
            ..self.place
        }
    }

    /// Where in the file what is left belongs: -1 for the file's own position, which the kernel advances.
    #[must_use]
    pub(crate) fn rest_position(&self) -> i64 {
        if self.position < 0 { -1 } else { self.position.saturating_add(self.done.into()) }
    }

    /// Takes account of a result of the kernel's. `whole` says that the file gives all that was asked for unless it
    /// ends: a short step is followed by another.
    pub(crate) fn advance(&mut self, result: i32, whole: bool) -> Progress {
        match u32::try_from(result) {
            Ok(count) => {
                self.done = self.done.saturating_add(count).min(self.place.length);
                if count > 0 && whole && self.done < self.place.length { Progress::Again } else { self.settled(0) }
            }
            Err(_) => match -result {
                libc::EAGAIN | libc::EOPNOTSUPP if self.attempt == Attempt::First => {
                    self.attempt = Attempt::Refused;
                    Progress::Refused
                }
                libc::EINTR => Progress::Again,
                // What was done is done; the next attempt will meet the error again.
                _ => self.settled(result),
            },
        }
    }

    fn settled(&self, status: i32) -> Progress {
        let done = i32::try_from(self.done).unwrap_or(i32::MAX);
        Progress::Settled(if done > 0 || status >= 0 { done } else { status })
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Another step.
    Again,
    /// Another step, with another carrier.
    Refused,
    /// The end: bytes moved or a negative errno.
    Settled(i32),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the kernel answers, a transfer ends, never claims more than was moved, and every step continues
        /// where the last one ended.
        #[test]
        fn steps_join_without_gaps(length in 1_u32..1000, position in -1_i64..1000, answers in proptest::collection::vec(-40_i32..300, 1..60)) {
            let place = Span { region: 0, offset: 5, length };
            let mut transfer = Transfer::new(1, Direction::Read, place, position);
            let mut moved = 0_u32;
            for answer in answers {
                let rest = transfer.rest();
                prop_assert_eq!(rest.offset, 5 + u64::from(moved));
                prop_assert_eq!(rest.offset + u64::from(rest.length), 5 + u64::from(length));
                prop_assert_eq!(transfer.rest_position(), if position < 0 { -1 } else { position + i64::from(moved) });
                let answer = answer.min(i32::try_from(rest.length).expect("small"));
                moved += u32::try_from(answer).unwrap_or(0);
                match transfer.advance(answer, true) {
                    Progress::Again => prop_assert!(answer > 0 || -answer == libc::EINTR),
                    Progress::Refused => prop_assert_eq!(transfer.attempt, Attempt::Refused),
                    Progress::Settled(result) => {
                        let expected = if moved > 0 { i32::try_from(moved).expect("small") } else { answer };
                        prop_assert_eq!(result, expected);
                        return Ok(());
                    }
                }
            }
        }
    }
}
