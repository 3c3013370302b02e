//! What an open descriptor is, found out without waiting for anybody.
//!
//! `fstat(2)` asks the server of a network or FUSE file system, which may never answer; `fstatfs(2)` does as well.
//! `statx(2)` tells what the kernel has in memory when it is asked to
//! ([`AT_STATX_DONT_SYNC`](libc::AT_STATX_DONT_SYNC)), which includes the type of the file and the number of its mount.
//! What file system that is, `statmount(2)` knows (Linux 6.8) without asking it. Those numbers are never used again, so
//! that each mount is looked at once.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::error::Errno;
use crate::event::Opened;

/// For each mount that files were opened of, of which there are few, whether it is [local](Opened::local).
pub(crate) type Mounts = Vec<(u64, bool)>;

/// More mounts than any program opens files of: then they are looked at anew.
const MAX_MOUNTS: usize = 256;

/// File systems that keep the inodes of open files in memory: ext2/3/4, xfs, btrfs, tmpfs, ramfs, overlayfs, f2fs, zfs,
/// squashfs, vfat; procfs, sysfs, cgroup2 and devpts make them up.
const LOCAL: [u64; 14] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0x7371_7368,
    0x4d44,
    0x9fa0,
    0x6265_6572,
    0x6367_7270,
    0x1cd1,
];

/// `STATX_MNT_ID_UNIQUE`.
const MOUNT_NUMBER: u32 = 0x4000;
/// `RESOLVE_CACHED` of `openat2(2)`.
const RESOLVE_CACHED: u64 = 0x20;
/// `STATMOUNT_SB_BASIC`.
const SUPERBLOCK: u64 = 1;
/// `statmount(2)`, on all processors.
const SYS_STATMOUNT: libc::c_long = 457;

/// The head of the kernel's `struct statx`, as long as all of it: not every C library has every field.
#[repr(C)]
struct Status {
    mask: u32,
    _block_size: u32,
    _attributes: u64,
    _owners: [u32; 3],
    mode: u16,
    _spare: u16,
    _inode: u64,
    size: u64,
    _blocks_times_and_devices: [u64; 12],
    mount: u64,
    _rest: [u64; 13],
}
const _: () = assert!(size_of::<Status>() == 256 && std::mem::offset_of!(Status, mount) == 0x90);

/// `struct mnt_id_req`.
#[repr(C)]
struct MountRequest {
    size: u32,
    _spare: u32,
    mount: u64,
    wanted: u64,
}

/// The head of `struct statmount`, as long as all of it.
#[repr(C)]
struct Mount {
    _size: u32,
    _options: u32,
    mask: u64,
    _device: [u32; 2],
    magic: u64,
    _rest: [u64; 60],
}
const _: () = assert!(size_of::<Mount>() == 512);

/// Looks at a descriptor. The flag says that its file system is known not to be local.
///
/// # Errors
/// `EBADF`.
pub(super) fn at(fd: RawFd, mounts: &mut Mounts) -> Result<(Opened, bool), Errno> {
    let mut status = MaybeUninit::<Status>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let wanted = libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_SIZE | MOUNT_NUMBER;
    // SAFETY: the path is empty and terminated, and the structure has the size that the kernel writes.
    let outcome =
        unsafe { libc::syscall(libc::SYS_statx, fd, c"".as_ptr(), flags, wanted, status.as_mut_ptr(), 0_usize) };
    if outcome != 0 {
        return Ok((without_statx(fd)?, false));
    }
    // SAFETY: all bits are integers, zero where the kernel has not written.
    let Status { mask, mode, size, mount, .. } = unsafe { status.assume_init() };
    let known = mask & MOUNT_NUMBER != 0;
    let local = known && is_local(mount, mounts);
    Ok((Opened { mode: mode.into(), size, local }, known && !local))
}

/// Where a filter forbids `statx(2)`.
fn without_statx(fd: RawFd) -> Result<Opened, Errno> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the structure is written by the call and read only when it succeeded.
    let status = unsafe {
        Errno::check(libc::fstat(fd, status.as_mut_ptr()))?;
        status.assume_init()
    };
    Ok(Opened { mode: status.st_mode, size: status.st_size.cast_unsigned(), local: false })
}

fn is_local(mount: u64, mounts: &mut Mounts) -> bool {
    if let Some(&(_, local)) = mounts.iter().find(|&&(known, _)| known == mount) {
        return local;
    }
    let request = MountRequest { size: size_of::<MountRequest>() as u32, _spare: 0, mount, wanted: SUPERBLOCK };
    let mut found = MaybeUninit::<Mount>::zeroed();
    // SAFETY: the request lives for the length of the call; the structure has the size that is said.
    let outcome =
        unsafe { libc::syscall(SYS_STATMOUNT, &raw const request, found.as_mut_ptr(), size_of::<Mount>(), 0_usize) };
    // SAFETY: all bits are integers, zero where the kernel has not written.
    let Mount { mask, magic, .. } = unsafe { found.assume_init() };
    let local = outcome == 0 && mask & SUPERBLOCK != 0 && LOCAL.contains(&magic);
    if mounts.len() == MAX_MOUNTS {
        mounts.clear();
    }
    mounts.push((mount, local));
    local
}

/// Whether what a path names can be opened without waiting: a file or directory of a local file system, found without
/// asking the disk. The opening of a pipe waits for its other end, that of a device may wait as well, and a server is
/// asked about all its files.
pub(super) fn opens_nowait(path: &CStr, flags: i32, mounts: &mut Mounts) -> bool {
    let flags = libc::O_PATH | libc::O_CLOEXEC | (flags & libc::O_NOFOLLOW);
    let how = [u64::from(flags.cast_unsigned()), 0, RESOLVE_CACHED];
    let here = libc::AT_FDCWD;
    // SAFETY: the path is terminated, and the structure has the size that is said. A descriptor of this kind does not
    // open the file.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, here, path.as_ptr(), how.as_ptr(), size_of_val(&how)) };
    let Ok(fd) = i32::try_from(fd).map_err(drop).and_then(|fd| if fd < 0 { Err(()) } else { Ok(fd) }) else {
        return false;
    };
    // SAFETY: made by the call above and known to nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    at(fd.as_raw_fd(), mounts)
        .is_ok_and(|(found, _)| found.local && matches!(found.mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR))
}

/// Whether reads and writes of something that is no regular file may say where. They move nothing, and the driver does
/// not hear of them.
pub(super) fn placed(fd: RawFd) -> [bool; 2] {
    let refused = |call: libc::c_long| {
        // SAFETY: there are no vectors to be read. The upper half of the position is there for 32-bit processors.
        let outcome = unsafe { libc::syscall(call, fd, ptr::null::<libc::iovec>(), 0_usize, 0_usize, 0_usize) };
        outcome < 0 && Errno::last_os_error() == Errno(libc::ESPIPE)
    };
    [libc::SYS_preadv, libc::SYS_pwritev].map(|call| !refused(call))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn pipes_have_no_positions_and_devices_may() {
        let (reader, writer) = std::io::pipe().expect("descriptors");
        assert_eq!(placed(reader.as_raw_fd()), [false; 2]);
        assert_eq!(placed(writer.as_raw_fd()), [false; 2]);
        let zero = File::open("/dev/zero").expect("/dev/zero");
        assert_eq!(placed(zero.as_raw_fd()), [true; 2]);
    }

    #[test]
    fn what_is_told_is_what_fstat_tells() {
        let mut mounts = Mounts::new();
        for path in ["/proc/self/exe", "/", "/dev/null"] {
            let file = File::open(path).expect(path);
            let (found, _) = at(file.as_raw_fd(), &mut mounts).expect("open");
            let told = without_statx(file.as_raw_fd()).expect("open");
            assert_eq!((found.mode, found.size), (told.mode, told.size), "{path}");
        }
        let socket = std::os::unix::net::UnixDatagram::unbound().expect("descriptors");
        assert!(!at(socket.as_raw_fd(), &mut mounts).expect("open").0.local, "nothing is known of sockets");
    }
}
