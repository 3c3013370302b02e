//! Where io_uring is refused or short of something, detection says what is in the way, and leaves nothing behind.
//!
//! Filters and limits cannot be taken back, so each is put on a child process: this test binary again, told to run only
//! [`child`], which reports on its standard output. Where the seccomp filter comes from: `examples/refuse.rs`.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use iouring_reactor::config::{self, Config, Obtained};
use iouring_reactor::{Errno, Error};
use iouring_reactor::{Features, support};

/// Names the limit that a child puts on itself.
const LIMIT: &str = "REFUSAL_LIMIT";
/// The user without privileges that a child becomes. Locked memory is counted by user: one for each child.
fn nobody() -> libc::uid_t {
    60_000 + std::process::id() % 5_000
}

/// What names a limit: not the same type in all C libraries.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// What a child found.
struct Report {
    /// `detect()`: its features, or the error's code, errno and permanence.
    detection: String,
    /// `set_up()` right after it, likewise: the sizes obtained.
    set_up: String,
}

#[test]
fn where_nothing_is_refused_everything_is_found() {
    let report = run(None, "none");
    if unavailable(&report.detection) {
        return eprintln!("skipped: io_uring is not available here: {}", report.detection);
    }
    // What Linux has since 6.1 was tried, or detection would have failed; these two came with it.
    assert!(report.detection.contains("send-zc") && report.detection.contains("msg-ring"), "{}", report.detection);
    assert_eq!(report.set_up, "256 4096");
}

#[test]
fn a_filter_on_set_up_is_told_from_the_sysctl() {
    let report = run(Some("setup"), "none");
    let expected = if sysctl() == "0" { "ERR_IOURING_REFUSED_SECCOMP" } else { "ERR_IOURING_REFUSED_SYSCTL" };
    assert_eq!(report.detection, format!("{expected} EPERM permanent"));
    assert_eq!(report.set_up, report.detection);
}

#[test]
fn a_filter_on_enter_is_found_before_it_is_too_late() {
    let report = run(Some("enter"), "none");
    if !unavailable(&report.set_up) {
        assert_eq!(report.detection, "ERR_IOURING_ENTER_REFUSED EPERM permanent");
    }
}

#[test]
fn a_filter_on_register_is_found_too() {
    let report = run(Some("register"), "none");
    if !unavailable(&report.set_up) {
        assert_eq!(report.detection, "ERR_IOURING_ENTER_REFUSED EPERM permanent");
    }
}

#[test]
fn system_calls_that_do_not_exist_are_reported_as_such() {
    let report = run(Some("hidden"), "none");
    assert_eq!(report.detection, "ERR_IOURING_NO_SYSCALL ENOSYS permanent");
}

#[test]
fn having_no_descriptor_left_can_pass() {
    let report = run(None, "descriptors");
    if sysctl() == "0" {
        assert_eq!(report.detection, "ERR_IOURING_OUT_OF_DESCRIPTORS EMFILE passing");
        assert_eq!(report.set_up, report.detection);
    }
}

#[test]
fn running_out_of_descriptors_half_way_can_pass() {
    let report = run(None, "one descriptor");
    if !unavailable(&report.set_up) {
        assert_eq!(report.detection, "ERR_IOURING_OUT_OF_DESCRIPTORS EMFILE passing");
    }
}

#[test]
fn little_locked_memory_gives_a_smaller_ring_or_says_so() {
    // SAFETY: geteuid(2) cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return eprintln!("skipped: only root can become a user without CAP_IPC_LOCK");
    }
    let report = run(None, "64 KiB");
    if unavailable(&report.detection) {
        return eprintln!("skipped: io_uring is not available here: {}", report.detection);
    }
    let entries: Vec<u32> = report.set_up.split(' ').map(|number| number.parse().unwrap_or(0)).collect();
    assert!(matches!(entries[..], [64..=256, 128..=4096]), "{}", report.set_up);

    // Kernels before 6.14 or so charge rings to the memory cgroup instead, and then nothing is refused.
    let report = run(None, "4 KiB");
    let refused = "ERR_IOURING_LOCK_LIMIT ENOMEM permanent";
    assert!(report.detection == refused || report.set_up == "256 4096", "{}; {}", report.detection, report.set_up);
}

/// Run by the other tests, as a process of its own.
#[test]
#[ignore = "is the child process of the other tests"]
fn child() {
    let limit = env::var(LIMIT).unwrap_or_default();
    let mut taken = Vec::new();
    match limit.as_str() {
        "descriptors" => while_possible(&mut taken),
        "one descriptor" => {
            while_possible(&mut taken);
            taken.pop();
        }
        "64 KiB" => become_nobody(64 * 1024),
        "4 KiB" => become_nobody(4 * 1024),
        _ => {}
    }
    let before = taken.len() + open_descriptors();
    let detection = describe(support::detect(), |features: Features| features.names().join(" "));
    let after = taken.len() + open_descriptors();
    let set_up = describe(config::set_up(&Config::default()), |(_, obtained): (_, Obtained)| {
        format!("{} {}", obtained.submission_entries, obtained.completion_entries)
    });
    drop(taken);
    println!("\nreport:{detection}\nreport:{set_up}\nreport:{before} {after}");
}

fn describe<T>(result: Result<T, Error>, success: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(value) => success(value),
        Err(Error::Unsupported { reason, errno }) => {
            let errno = errno.map_or_else(|| "-".into(), |errno| errno.to_string());
            format!("{} {errno} {}", reason.code(), if reason.permanent() { "permanent" } else { "passing" })
        }
        Err(other) => other.to_string(),
    }
}

/// Opens descriptors until there is none left, of a limit small enough for that.
fn while_possible(taken: &mut Vec<fs::File>) {
    set_limit(libc::RLIMIT_NOFILE, 64);
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
}

/// Gives up root, and with it the right to lock more memory than the limit.
fn become_nobody(locked_memory: libc::rlim_t) {
    set_limit(libc::RLIMIT_MEMLOCK, locked_memory);
    // SAFETY: setgroups(2) reads no groups when told that there are none.
    let failed = unsafe {
        libc::setgroups(0, std::ptr::null()) != 0 || libc::setgid(nobody()) != 0 || libc::setuid(nobody()) != 0
    };
    assert!(!failed, "{}", Errno::last_os_error());
}

fn set_limit(resource: Resource, value: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: setrlimit(2) reads the structure and keeps nothing of it.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0, "{}", Errno::last_os_error());
}

/// Runs [`child`] under a limit of its own and a filter of `examples/refuse.rs`.
fn run(filter: Option<&str>, limit: &str) -> Report {
    let this = this_program();
    let mut command = match filter {
        Some(filter) => {
            let mut command = Command::new(refuse());
            command.arg(filter).arg(this);
            command
        }
        None => Command::new(this),
    };
    let output = command
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(LIMIT, limit)
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("report:"));
    let (Some(detection), Some(set_up), Some(descriptors)) = (lines.next(), lines.next(), lines.next()) else {
        panic!("no report: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    let (before, after) = descriptors.split_once(' ').unwrap_or_default();
    assert_eq!(before, after, "descriptors open before and after detection");
    Report { detection: detection.into(), set_up: set_up.into() }
}

fn this_program() -> PathBuf {
    env::current_exe().expect("/proc is mounted")
}

/// The program that puts a filter on another; `cargo test` builds it with the other examples.
fn refuse() -> PathBuf {
    let program = this_program().with_file_name("../examples/refuse");
    assert!(program.exists(), "run `cargo build --example refuse` first");
    program
}

/// Descriptors open in this process; 0 where none is left to look with, before as after.
fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn sysctl() -> String {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").map_or_else(|_| "0".into(), |value| value.trim().into())
}

/// Whether this host refuses io_uring by itself, so that there is nothing for the test to refuse.
fn unavailable(report: &str) -> bool {
    report.starts_with("ERR_IOURING_") && report.ends_with("permanent")
}
