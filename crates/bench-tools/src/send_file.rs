//! `send-file`: a cached file to a TCP connection, by copying or by `IORING_OP_SPLICE`: what `sendFile` could be made
//! of.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};

use crate::{ring, watch};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Read a piece, then send it.
    Copy,
    /// One splice into a pipe and one out of it at all times.
    Splice,
}

/// Send a file again and again and print, as one line of JSON, the throughput and the CPU time of the sender with its
/// kernel workers. With `--stalled` instead, splice to clients that do not read, and print how many threads that holds.
#[derive(Args)]
pub(crate) struct SendFile {
    #[arg(long, value_enum, default_value = "copy")]
    way: Way,
    /// Bytes of the file.
    #[arg(long, default_value_t = 1 << 30)]
    size: u64,
    /// Bytes of a piece, and of the pipe.
    #[arg(long, default_value_t = 1 << 18)]
    piece: u32,
    /// Bytes sent in all, at least.
    #[arg(long, default_value_t = 2 << 30)]
    total: u64,
    /// Number of clients that do not read.
    #[arg(long)]
    stalled: Option<usize>,
    /// Be the receiver, in a process of its own, so that its time is not counted.
    #[arg(long, hide = true)]
    receive: bool,
}

impl SendFile {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.receive {
            return receive();
        }
        let file = self.make_file()?;
        if let Some(clients) = self.stalled {
            return self.stall(&file, clients);
        }
        let (mut receiver, port) = spawn_receiver()?;
        let result = self.measure(&file, &TcpStream::connect(("127.0.0.1", port))?);
        receiver.kill()?;
        receiver.wait()?;
        result
    }

    /// A file in the page cache, which goes away with its descriptor.
    fn make_file(&self) -> anyhow::Result<File> {
        let path = std::env::temp_dir().join(format!("iouring-send-file-{}", std::process::id()));
        let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(&path)?;
        let piece = vec![0x5a; 1 << 20];
        let mut left = self.size;
        while left > 0 {
            let length = left.min(piece.len() as u64);
            file.write_all(&piece[..usize::try_from(length)?])?;
            left -= length;
        }
        // What is still being written back would be somebody's CPU time as well.
        file.sync_all()?;
        Ok(file)
    }

    fn measure(&self, file: &File, socket: &TcpStream) -> anyhow::Result<()> {
        let mut ring = ring::open()?;
        let pipe = pipe_of(self.piece)?;
        let mut memory = vec![0_u8; self.piece as usize];
        let (file, socket) = (file.as_raw_fd(), socket.as_raw_fd());
        let (start, before) = (Instant::now(), watch::cpu_time(std::process::id())?);
        let mut sent = 0;
        while sent < self.total {
            match self.way {
                Way::Copy => self.copy(&mut ring, file, socket, &mut memory)?,
                Way::Splice => self.splice(&mut ring, file, socket, &pipe)?,
            }
            sent += self.size;
        }
        let cpu = watch::cpu_time(std::process::id())?.saturating_sub(before);
        let gibibytes = sent as f64 / f64::from(1 << 30);
        println!(
            "{{\"way\":\"{:?}\",\"size\":{},\"piece\":{},\"gibPerSecond\":{:.2},\"cpuMillisPerGib\":{:.0}}}",
            self.way,
            self.size,
            self.piece,
            gibibytes / start.elapsed().as_secs_f64(),
            cpu.as_secs_f64() * 1e3 / gibibytes
        );
        Ok(())
    }

    fn copy(&self, ring: &mut IoUring, file: RawFd, socket: RawFd, memory: &mut [u8]) -> anyhow::Result<()> {
        let mut offset = 0;
        while offset < self.size {
            let read = opcode::Read::new(Fd(file), memory.as_mut_ptr(), self.piece).offset(offset).build();
            let length = complete(ring, &read)?;
            let send = opcode::Send::new(Fd(socket), memory.as_ptr(), length).flags(libc::MSG_WAITALL).build();
            anyhow::ensure!(complete(ring, &send)? == length, "a short send");
            offset += u64::from(length);
        }
        Ok(())
    }

    fn splice(&self, ring: &mut IoUring, file: RawFd, socket: RawFd, pipe: &Pipe) -> anyhow::Result<()> {
        let (mut filled, mut drained) = (0, 0);
        let mut under_way = [false; 2];
        while drained < self.size {
            if !under_way[0] && filled < self.size {
                // SAFETY: a splice points to nothing.
                unsafe { ring::push(ring, &splice_in(file, filled, pipe, self.piece).user_data(0))? };
                under_way[0] = true;
            }
            if !under_way[1] && drained < filled {
                let there = u32::try_from(filled - drained)?;
                // SAFETY: a splice points to nothing.
                unsafe { ring::push(ring, &splice_out(pipe, socket, there).user_data(1))? };
                under_way[1] = true;
            }
            ring::turn(ring)?;
            for completion in ring.completion() {
                let moved = u64::try_from(completion.result())?;
                anyhow::ensure!(moved > 0, "the file has shrunk");
                let out = completion.user_data() == 1;
                under_way[usize::from(out)] = false;
                if out { drained += moved } else { filled += moved }
            }
        }
        Ok(())
    }

    /// Splices to clients that do not read until all of them have come to a stand.
    fn stall(&self, file: &File, clients: usize) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut ring = ring::open()?;
        let mut connections = Vec::new();
        for client in 0..clients {
            let near = TcpStream::connect(listener.local_addr()?)?;
            let far = listener.accept()?.0;
            let pipe = pipe_of(self.piece)?;
            // SAFETY: splices point to nothing.
            unsafe {
                let number = client as u64 * 2;
                ring::push(&mut ring, &splice_in(file.as_raw_fd(), 0, &pipe, self.piece).user_data(number))?;
                ring::push(&mut ring, &splice_out(&pipe, far.as_raw_fd(), self.piece).user_data(number + 1))?;
            }
            connections.push((near, far, pipe));
        }
        let pause = Timespec::from(Duration::from_millis(100));
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            match ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&pause)) {
                Err(error) if !matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY)) => {
                    return Err(error.into());
                }
                _ => {}
            }
            let done: Vec<(u64, i32)> =
                ring.completion().map(|completion| (completion.user_data(), completion.result())).collect();
            for (number, result) in done {
                anyhow::ensure!(result > 0, "a splice gave {result}");
                let (_, far, pipe) = &connections[usize::try_from(number / 2)?];
                let entry = if number % 2 == 0 {
                    splice_in(file.as_raw_fd(), 0, pipe, self.piece)
                } else {
                    splice_out(pipe, far.as_raw_fd(), self.piece)
                };
                // SAFETY: a splice points to nothing.
                unsafe { ring::push(&mut ring, &entry.user_data(number))? };
            }
        }
        println!("{{\"clients\":{clients},\"threads\":{}}}", fs::read_dir("/proc/self/task")?.count());
        // The workers are blocked for good: there is nothing to wait for.
        std::process::exit(0);
    }
}

/// Submits one entry and waits for it: the bytes moved.
fn complete(ring: &mut IoUring, entry: &squeue::Entry) -> anyhow::Result<u32> {
    // SAFETY: it is done before this returns, and the caller's memory outlives that.
    unsafe { ring::push(ring, entry)? };
    loop {
        ring::turn(ring)?;
        if let Some(completion) = ring.completion().next() {
            let moved = u32::try_from(completion.result())?;
            anyhow::ensure!(moved > 0, "the file has shrunk");
            return Ok(moved);
        }
    }
}

pub(crate) struct Pipe {
    pub(crate) reader: OwnedFd,
    pub(crate) writer: OwnedFd,
}

/// A pipe that holds so many bytes.
pub(crate) fn pipe_of(size: u32) -> anyhow::Result<Pipe> {
    let mut fds = [0; 2];
    // SAFETY: the array has room for both.
    anyhow::ensure!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } == 0, std::io::Error::last_os_error());
    // SAFETY: they have just been made for us.
    let (reader, writer) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    // SAFETY: takes and returns integers only.
    let given = unsafe { libc::fcntl(fds[1], libc::F_SETPIPE_SZ, size) };
    anyhow::ensure!(given > 0, "no pipe of {size} bytes: {}", std::io::Error::last_os_error());
    Ok(Pipe { reader, writer })
}

fn splice_in(file: RawFd, offset: u64, pipe: &Pipe, length: u32) -> squeue::Entry {
    opcode::Splice::new(Fd(file), offset.cast_signed(), Fd(pipe.writer.as_raw_fd()), -1, length).build()
}

fn splice_out(pipe: &Pipe, socket: RawFd, length: u32) -> squeue::Entry {
    opcode::Splice::new(Fd(pipe.reader.as_raw_fd()), -1, Fd(socket), -1, length).build()
}

fn spawn_receiver() -> anyhow::Result<(Child, u16)> {
    let mut receiver =
        Command::new(std::env::current_exe()?).args(["send-file", "--receive"]).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let output = receiver.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?;
    BufReader::new(output).read_line(&mut line)?;
    Ok((receiver, line.trim().parse()?))
}

fn receive() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let mut peer = listener.accept()?.0;
    let mut memory = vec![0; 1 << 20];
    while peer.read(&mut memory)? > 0 {}
    Ok(())
}
