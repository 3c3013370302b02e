//! What the load generator sends: an endless stream of bytes in which every position is known.
//!
//! Each connection starts elsewhere in the stream, so that bytes that went to the wrong connection, or to the wrong
//! place in the right one, are told from the right ones by a comparison. Nothing is ever copied: what is to be sent at
//! a position is a slice of the stream.

/// Length after which the stream repeats itself. A prime, so that no size of message or buffer divides it.
const PERIOD: usize = 65_521;

/// The stream.
pub(crate) struct Pattern {
    bytes: Vec<u8>,
}

impl Pattern {
    /// A stream of which slices of up to `longest` bytes can be had.
    pub(crate) fn new(longest: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
            // xorshift64: fast, and random enough that slices at different places differ.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .take(PERIOD)
        .collect();
        for index in 0..longest {
            bytes.push(bytes[index]);
        }
        Self { bytes }
    }

    /// The bytes of the `connection`-th connection from `position` on.
    pub(crate) fn at(&self, connection: usize, position: u64, length: usize) -> &[u8] {
        // 7919 is a prime far from any size in use: neighbours are well apart in the stream.
        let start = (connection as u64 * 7919 + position) % PERIOD as u64;
        &self.bytes[start as usize..][..length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continues_across_the_end_of_its_period() {
        let pattern = Pattern::new(1000);
        let position = PERIOD as u64 - 3;
        let whole = pattern.at(0, position, 10).to_vec();
        let parts: Vec<u8> = (0..10).flat_map(|index| pattern.at(0, position + index, 1).to_vec()).collect();
        assert_eq!(whole, parts);
    }

    #[test]
    fn differs_between_connections_and_places() {
        let pattern = Pattern::new(64);
        let here = pattern.at(3, 640, 64);
        assert_ne!(here, pattern.at(4, 640, 64));
        assert_ne!(here, pattern.at(3, 576, 64));
        assert_ne!(here, pattern.at(3, 641, 64));
    }
}
