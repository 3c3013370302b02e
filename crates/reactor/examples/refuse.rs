//! Runs a command under a seccomp filter that refuses io_uring, as container runtimes do. The specs of the fallback use
//! it.
//!
//! ```text
//! refuse setup    COMMAND …  io_uring_setup fails with EPERM: the default profile of Docker
//! refuse enter    COMMAND …  a ring can be set up, but io_uring_enter fails with EPERM
//! refuse register COMMAND …  a ring can be set up, but io_uring_register fails with EPERM
//! refuse batch    COMMAND …  io_uring_enter fails with EPERM when it submits exactly 77 requests: on demand
//! refuse hidden   COMMAND …  all three system calls fail with ENOSYS: gVisor, emulated processors
//! ```

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter, sock_fprog};

/// Offset of the system call's number in `struct seccomp_data`.
const NUMBER: u32 = 0;
/// Offset of the lower half of the second argument there: of `io_uring_enter`, the number of requests.
const SECOND_ARGUMENT: u32 = if cfg!(target_endian = "little") { 24 } else { 28 };
/// The number of requests that `batch` refuses.
const BATCH: u32 = 77;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let mode = arguments.next();
    let (errno, calls): (i32, &[c_long]) = match mode.as_deref().and_then(|mode| mode.to_str()) {
        Some("setup") => (libc::EPERM, &[libc::SYS_io_uring_setup]),
        Some("enter") => (libc::EPERM, &[libc::SYS_io_uring_enter]),
        Some("register") => (libc::EPERM, &[libc::SYS_io_uring_register]),
        Some("batch") => (libc::EPERM, &[]),
        Some("hidden") => {
            (libc::ENOSYS, &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register])
        }
        _ => return usage(),
    };
    let Some(command) = arguments.next() else {
        return usage();
    };
    let program = if calls.is_empty() { batch_filter(errno) } else { filter(errno, calls) };
    if let Err(error) = install(&program) {
        eprintln!("refuse: cannot install the filter: {error}");
        return ExitCode::from(125);
    }
    let error = Command::new(&command).args(arguments).exec();
    eprintln!("refuse: {}: {error}", command.display());
    ExitCode::from(127)
}

fn usage() -> ExitCode {
    eprintln!("usage: refuse setup|enter|register|batch|hidden COMMAND [ARGUMENT …]");
    ExitCode::from(2)
}

/// A program that lets every call but these through and answers these with an errno.
///
/// It does not look at the architecture: nothing that is run here makes calls of another one.
fn filter(errno: i32, calls: &[c_long]) -> Vec<sock_filter> {
    let mut program = vec![statement(BPF_LD | BPF_W | BPF_ABS, NUMBER)];
    for &call in calls {
        let number = u32::try_from(call).expect("system call numbers are small");
        // Equal: on to the answer that follows. Not equal: over it.
        program.push(sock_filter { code: code(BPF_JMP | BPF_JEQ | BPF_K), jt: 0, jf: 1, k: number });
        program.push(statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs()));
    }
    program.push(statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW));
    program
}

/// A program that refuses `io_uring_enter` with one number of requests.
fn batch_filter(errno: i32) -> Vec<sock_filter> {
    let enter = u32::try_from(libc::SYS_io_uring_enter).expect("system call numbers are small");
    vec![
        statement(BPF_LD | BPF_W | BPF_ABS, NUMBER),
        sock_filter { code: code(BPF_JMP | BPF_JEQ | BPF_K), jt: 0, jf: 3, k: enter },
        statement(BPF_LD | BPF_W | BPF_ABS, SECOND_ARGUMENT),
        sock_filter { code: code(BPF_JMP | BPF_JEQ | BPF_K), jt: 0, jf: 1, k: BATCH },
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs()),
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW),
    ]
}

fn statement(operation: u32, k: u32) -> sock_filter {
    sock_filter { code: code(operation), jt: 0, jf: 0, k }
}

fn code(operation: u32) -> u16 {
    u16::try_from(operation).expect("operation codes have 16 bits")
}

/// Puts the filter on this process and on everything it executes.
fn install(program: &[sock_filter]) -> io::Result<()> {
    let description = sock_fprog {
        len: u16::try_from(program.len()).expect("the program is short"),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: neither call keeps a pointer; the kernel copies the program, which outlives the call and is not written
    // to.
    let refused = unsafe {
        // Without this, only a privileged process may filter.
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const description) != 0
    };
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}
