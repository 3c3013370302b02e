//! UDP by system calls, many datagrams each: `recvmmsg(2)` and `sendmmsg(2)`, blocking.

use std::io::Read;

use super::{Mode, Options, announce};
use crate::datagrams::{self, Batch};

/// Datagrams a call.
const BATCH: usize = 64;

/// Serves until standard input closes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(options.address.is_udp(), "datagrams alone");
    let (socket, got) = options.address.listen()?;
    // The main thread blocks in the kernel for as long as nobody sends.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    announce(&got);
    let mut batch = Batch::new(BATCH, options.buffer_size);
    let mut count = 0_u64;
    loop {
        let got = batch.receive(&socket, libc::MSG_WAITFORONE, true)?;
        match options.mode {
            Mode::Echo => {
                batch.turn_round(got);
                batch.send(&socket, got)?;
            }
            Mode::Sink => {
                for index in 0..got {
                    if batch.received(index).len() != 1 {
                        count += 1;
                        continue;
                    }
                    let mut answer = Batch::new(1, 20);
                    answer.copy_name(&batch, index);
                    let digits = count.to_string();
                    answer.outgoing(0, digits.len()).copy_from_slice(digits.as_bytes());
                    answer.send(&socket, 1)?;
                }
            }
            Mode::Proxy => anyhow::bail!("a proxy is for streams"),
            Mode::Source => {
                if let Some(size) = (got > 0).then(|| datagrams::number_in(batch.received(0))).flatten() {
                    let mut flood = Batch::new(BATCH, size as usize);
                    flood.copy_name(&batch, 0);
                    (0..BATCH).for_each(|index| flood.outgoing(index, size as usize).fill(b'x'));
                    loop {
                        flood.send(&socket, BATCH)?;
                    }
                }
            }
        }
    }
}
