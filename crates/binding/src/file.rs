//! What TypeScript asks about files outside of the queues: calls with paths, and descriptors that change hands.

use iouring_reactor::Adopted;
use iouring_reactor::file::call::{FileCall, STATUS_BYTES, Subject};
use iouring_reactor::kernel::FileOp;
use iouring_reactor::{Errno, HandleId, Span};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::native_reactor::NativeReactor;
use crate::protocol::FileOpKind;

type Text = Either<String, Uint8Array>;

fn bytes(text: &Option<Text>) -> &[u8] {
    match text {
        Some(Either::A(text)) => text.as_bytes(),
        Some(Either::B(bytes)) => bytes,
        None => &[],
    }
}

/// The operation that `a`, `b` and `c` describe.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; the kernel checks what it gets")]
fn op(kind: FileOpKind, a: f64, b: f64, c: f64) -> FileOp {
    let int = |value: f64| value as i64 as i32;
    match kind {
        FileOpKind::Open => FileOp::Open { flags: int(a), mode: b as u32 },
        FileOpKind::Status => FileOp::Status { flags: int(a) },
        FileOpKind::Unlink => FileOp::Unlink { flags: int(a) },
        FileOpKind::Rename => FileOp::Rename { flags: a as u32 },
        FileOpKind::MakeDirectory => FileOp::MakeDirectory { mode: a as u32 },
        FileOpKind::Symlink => FileOp::Symlink,
        FileOpKind::Link => FileOp::Link,
        FileOpKind::Sync => FileOp::Sync { data_only: false },
        FileOpKind::DataSync => FileOp::Sync { data_only: true },
        FileOpKind::Truncate => FileOp::Truncate { length: a as u64 },
        FileOpKind::Allocate => FileOp::Allocate { mode: int(a), offset: b as u64, length: c as u64 },
        FileOpKind::Advise => FileOp::Advise { advice: int(a), offset: b as u64, length: c as u32 },
        FileOpKind::GetXattr => FileOp::GetXattr,
        FileOpKind::FGetXattr => FileOp::FGetXattr,
        FileOpKind::SetXattr => FileOp::SetXattr { flags: int(a) },
        FileOpKind::FSetXattr => FileOp::FSetXattr { flags: int(a) },
    }
}

/// What the operation is about, as far as `b` and `c` tell: memory.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; looked up and bounds-checked")]
fn subject<'a>(op: FileOp, b: f64, c: f64) -> Subject<'a> {
    let length = if matches!(op, FileOp::Status { .. }) { STATUS_BYTES } else { c as u32 };
    Subject { place: Span { region: b as u32, offset: 0, length }, ..Subject::default() }
}

#[napi]
impl NativeReactor {
    /// Starts a call of kind [`FileOpKind`]; `FileDone` with the token follows, or `FileOpened`. `linked`: the next
    /// transfer or call starts only when this one has succeeded.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "one call instead of an object to take apart")]
    pub fn file_call(
        &self,
        kind: i32,
        token: u32,
        handle: i32,
        #[napi(ts_arg_type = "string | Uint8Array | null")] path: Option<Text>,
        #[napi(ts_arg_type = "string | Uint8Array | null")] other: Option<Text>,
        a: f64,
        b: f64,
        c: f64,
        linked: bool,
    ) -> i32 {
        let call = FileOpKind::try_from(kind).map_err(|_| Errno(libc::EINVAL)).and_then(|kind| {
            let op = op(kind, a, b, c);
            let handle = HandleId::from_raw(handle);
            FileCall::new(token, op, &Subject { handle, path: bytes(&path), other: bytes(&other), ..subject(op, b, c) })
        });
        self.instance
            .with(|reactor| {
                // What was asked for before comes first.
                self.instance.take_commands(reactor);
                match call {
                    Ok(call) => reactor.call_file(call, linked),
                    // It may be a step of a chain, which ends with it then.
                    Err(errno) => reactor.refuse(token, errno, linked),
                }
            })
            .map_or(-libc::EBADF, |()| 0)
    }

    /// Takes over the descriptor of an open file: a handle. `EEXIST` where the reactor has it already, or the event
    /// loop watches it.
    #[napi]
    pub fn adopt_file(&self, fd: i32) -> i32 {
        self.take_over(fd, Adopted::File, false)
    }

    /// Gives a file's descriptor away: its number, which the caller owns from then on. `-EBUSY` while something is in
    /// flight on it.
    #[napi]
    pub fn release_file(&self, handle: i32) -> i32 {
        let released = self.instance.with(|reactor| {
            self.instance.take_commands(reactor);
            reactor.release_file(HandleId::from_raw(handle))
        });
        released.flatten().map_or(-libc::EBUSY, std::os::fd::IntoRawFd::into_raw_fd)
    }

    /// Sets the io priority of a file's reads and writes; see `ioprio_set(2)`.
    #[napi]
    pub fn prioritize_file(&self, handle: i32, priority: u32) {
        let priority = u16::try_from(priority).unwrap_or(0);
        self.instance.with(|reactor| reactor.prioritize_file(HandleId::from_raw(handle), priority));
    }

    /// Limits the kernel's worker threads for this thread's ring; 0 leaves a limit as it is.
    #[napi]
    pub fn limit_workers(&self, bounded: u32, unbounded: u32) -> i32 {
        self.instance
            .with(|reactor| reactor.kernel().limit_workers([bounded, unbounded]))
            .unwrap_or(Err(Errno(libc::EBADF)))
            .map_or_else(Errno::negated, |_| 0)
    }
}
