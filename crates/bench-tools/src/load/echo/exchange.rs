//! One connection of the echo: what it has sent, what came back, what it owes.

use std::collections::VecDeque;
use std::time::Instant;

use socket2::Socket;

use crate::load::meter::Meter;
use crate::pattern::Pattern;

/// State of one connection, whatever does its input and output.
pub(crate) struct Exchange {
    /// The connection, blocking.
    pub(crate) socket: Socket,
    /// Number of the connection, which decides what it sends.
    index: usize,
    size: usize,
    /// Messages that may be sent.
    owed: usize,
    /// Bytes that the kernel took.
    sent: u64,
    /// Where the send under way ends; equals `sent` when there is none.
    sending_to: u64,
    /// Bytes that came back.
    received: u64,
    /// Position at which a batch of messages ends, and when it was sent.
    under_way: VecDeque<(u64, Instant)>,
}

impl Exchange {
    pub(crate) fn new(socket: Socket, index: usize, size: usize, pipeline: usize) -> Self {
        let under_way = VecDeque::with_capacity(pipeline);
        Self { socket, index, size, owed: pipeline, sent: 0, sending_to: 0, received: 0, under_way }
    }

    /// What to send now, if anything: messages owed, at most so many and all in one go, unless a send is under way.
    pub(crate) fn begin_send<'a>(&mut self, pattern: &'a Pattern, now: Instant, most: usize) -> Option<&'a [u8]> {
        let count = self.owed.min(most);
        if self.sending_to != self.sent || count == 0 {
            return None;
        }
        let length = count * self.size;
        self.owed -= count;
        self.sending_to = self.sent + length as u64;
        self.under_way.push_back((self.sending_to, now));
        Some(pattern.at(self.index, self.sent, length))
    }

    /// Takes note that the kernel took `length` bytes. Returns the rest of the send, if there is one.
    pub(crate) fn sent<'a>(&mut self, length: usize, pattern: &'a Pattern) -> Option<&'a [u8]> {
        self.sent += length as u64;
        let rest = (self.sending_to - self.sent) as usize;
        (rest > 0).then(|| pattern.at(self.index, self.sent, rest))
    }

    /// Checks bytes that came back, and counts the messages they complete.
    pub(crate) fn received(
        &mut self,
        bytes: &[u8],
        pattern: &Pattern,
        now: Instant,
        meter: &mut Meter,
    ) -> anyhow::Result<()> {
        let expected = pattern.at(self.index, self.received, bytes.len());
        anyhow::ensure!(bytes == expected, "connection {}: wrong bytes at {}", self.index, self.received);
        let size = self.size as u64;
        let complete_before = self.received / size;
        self.received += bytes.len() as u64;
        anyhow::ensure!(self.received <= self.sending_to, "connection {}: more came back than was sent", self.index);
        meter.record_bytes(bytes.len());
        for message in complete_before..self.received / size {
            let end = (message + 1) * size;
            while self.under_way.front().is_some_and(|(batch_end, _)| *batch_end < end) {
                self.under_way.pop_front();
            }
            if let Some((_, started)) = self.under_way.front() {
                meter.record(*started, now);
            }
            self.owed += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::meter::WindowOptions;
    use socket2::{Domain, Type};

    /// A pipeline of four messages of ten bytes, and a meter that measures from the start.
    fn exchange() -> (Exchange, Pattern, Meter) {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let mut meter = Meter::new(&WindowOptions::immediate()).unwrap();
        meter.tick(Instant::now()).unwrap();
        (Exchange::new(socket, 0, 10, 4), Pattern::new(1000), meter)
    }

    #[test]
    fn owes_a_message_for_each_that_came_back_whole() {
        let (mut exchange, pattern, mut meter) = exchange();
        let now = Instant::now();
        let sent = exchange.begin_send(&pattern, now, usize::MAX).unwrap().to_vec();
        assert_eq!(sent.len(), 40);
        assert!(exchange.begin_send(&pattern, now, usize::MAX).is_none(), "a send is under way");
        assert_eq!(exchange.sent(15, &pattern), Some(&sent[15..]));
        assert_eq!(exchange.sent(25, &pattern), None);
        assert!(exchange.begin_send(&pattern, now, usize::MAX).is_none(), "nothing is owed");
        exchange.received(&sent[..25], &pattern, now, &mut meter).unwrap();
        assert_eq!(meter.messages, 2);
        assert_eq!(exchange.begin_send(&pattern, now, usize::MAX).unwrap().len(), 20);
        exchange.received(&sent[25..], &pattern, now, &mut meter).unwrap();
        assert_eq!(meter.messages, 4);
    }

    #[test]
    fn sends_no_more_at_once_than_it_may() {
        let (mut exchange, pattern, _) = exchange();
        let now = Instant::now();
        assert_eq!(exchange.begin_send(&pattern, now, 1).unwrap().len(), 10);
        assert!(exchange.begin_send(&pattern, now, 1).is_none(), "a send is under way");
        assert_eq!(exchange.sent(10, &pattern), None);
        assert!(exchange.begin_send(&pattern, now, 0).is_none(), "nothing may be sent");
        assert_eq!(exchange.begin_send(&pattern, now, usize::MAX).unwrap().len(), 30);
    }

    #[test]
    fn notices_wrong_bytes_and_too_many() {
        let (mut one, pattern, mut meter) = exchange();
        let now = Instant::now();
        let mut sent = one.begin_send(&pattern, now, usize::MAX).unwrap().to_vec();
        sent[7] ^= 1;
        assert!(one.received(&sent, &pattern, now, &mut meter).is_err());
        let (mut other, pattern, mut meter) = exchange();
        other.begin_send(&pattern, now, usize::MAX);
        let surplus = pattern.at(0, 0, 41).to_vec();
        assert!(other.received(&surplus, &pattern, now, &mut meter).is_err());
    }
}
