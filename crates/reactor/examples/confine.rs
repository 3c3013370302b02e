//! Runs a command under a seccomp profile, loaded with libseccomp as container runtimes do. The specs of `deploy/` use
//! it.
//!
//! ```text
//! confine RULES COMMAND …
//! ```
//!
//! RULES is a file of lines: `default ACTION`, then `rule ACTION NAME` with up to six conditions behind it, each
//! `INDEX OP VALUE VALUE2`. ACTION is `allow` or an errno, OP one of libseccomp's numbers for comparisons. Calls that
//! libseccomp does not know are passed over, as runtimes do.
//!
//! Status 125: the profile could not be loaded; 126: there is no libseccomp here; 127: the command could not be run.

use std::env;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fs;
use std::io;
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// `SCMP_ACT_ALLOW`.
const ALLOW: u32 = 0x7fff_0000;
/// `SCMP_ACT_ERRNO(0)`; the errno is in its lower half.
const ERRNO: u32 = 0x0005_0000;
/// `__NR_SCMP_ERROR`: no such system call.
const UNKNOWN: c_int = -1;

/// `struct scmp_arg_cmp`: a condition on one argument.
#[repr(C)]
struct Condition {
    index: c_uint,
    operation: c_int,
    value: u64,
    second: u64,
}

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(rules), Some(command)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: confine RULES COMMAND [ARGUMENT …]");
        return ExitCode::from(2);
    };
    let Some(library) = Library::open() else {
        eprintln!("confine: there is no libseccomp.so.2");
        return ExitCode::from(126);
    };
    if let Err(error) = fs::read_to_string(&rules).and_then(|rules| library.confine(&rules)) {
        eprintln!("confine: {}: {error}", rules.display());
        return ExitCode::from(125);
    }
    let error = Command::new(&command).args(arguments).exec();
    eprintln!("confine: {}: {error}", command.display());
    ExitCode::from(127)
}

/// What is used of libseccomp, which is looked for at run time: nobody needs it to build the workspace.
struct Library {
    init: unsafe extern "C" fn(u32) -> *mut c_void,
    resolve: unsafe extern "C" fn(*const c_char) -> c_int,
    add: unsafe extern "C" fn(*mut c_void, u32, c_int, c_uint, *const Condition) -> c_int,
    load: unsafe extern "C" fn(*const c_void) -> c_int,
}

impl Library {
    fn open() -> Option<Library> {
        // SAFETY: the name is a string of C's. libseccomp's initializers do nothing but set up its tables.
        let library = unsafe { libc::dlopen(c"libseccomp.so.2".as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return None;
        }
        let symbol = |name: &CStr| {
            // SAFETY: the library is open and stays so.
            let address = unsafe { libc::dlsym(library, name.as_ptr()) };
            (!address.is_null()).then_some(address)
        };
        // SAFETY: these are the functions' types in seccomp.h, the same in all of libseccomp 2.
        unsafe {
            Some(Library {
                init: mem::transmute::<*mut c_void, unsafe extern "C" fn(u32) -> *mut c_void>(symbol(c"seccomp_init")?),
                resolve: mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_char) -> c_int>(symbol(
                    c"seccomp_syscall_resolve_name",
                )?),
                add: mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void, u32, c_int, c_uint, *const Condition) -> c_int,
                >(symbol(c"seccomp_rule_add_array")?),
                load: mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> c_int>(symbol(
                    c"seccomp_load",
                )?),
            })
        }
    }

    /// Puts the filter on this process and on everything it executes.
    fn confine(&self, rules: &str) -> io::Result<()> {
        let mut lines = rules.lines();
        let default = lines.next().and_then(|line| line.strip_prefix("default ")).ok_or_else(malformed)?;
        // SAFETY: takes a number, and gives an object that is used here alone. It is not released: the process becomes
        // another.
        let filter = unsafe { (self.init)(action(default)?) };
        if filter.is_null() {
            return Err(io::Error::other("libseccomp takes no such default"));
        }
        for line in lines {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let ["rule", act, name, conditions @ ..] = words.as_slice() else { return Err(malformed()) };
            let name = CString::new(*name)?;
            // SAFETY: the name is a string of C's, which the call does not keep.
            let call = unsafe { (self.resolve)(name.as_ptr()) };
            if call == UNKNOWN {
                continue;
            }
            let conditions = conditions.chunks(4).map(condition).collect::<io::Result<Vec<_>>>()?;
            let count = c_uint::try_from(conditions.len()).map_err(io::Error::other)?;
            // SAFETY: the filter is libseccomp's, and so many conditions lie there, which it copies.
            refuse_errors(unsafe { (self.add)(filter, action(act)?, call, count, conditions.as_ptr()) })?;
        }
        // SAFETY: the filter is libseccomp's.
        refuse_errors(unsafe { (self.load)(filter) })
    }
}

fn action(word: &str) -> io::Result<u32> {
    if word == "allow" { Ok(ALLOW) } else { Ok(ERRNO | u32::from(number::<u16>(word)?)) }
}

fn condition(words: &[&str]) -> io::Result<Condition> {
    let [index, operation, value, second] = words else { return Err(malformed()) };
    Ok(Condition {
        index: number(index)?,
        operation: number(operation)?,
        value: number(value)?,
        second: number(second)?,
    })
}

fn number<N: std::str::FromStr>(word: &str) -> io::Result<N> {
    word.parse().map_err(|_| malformed())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not of the form that is asked for")
}

/// libseccomp answers with a negative errno.
fn refuse_errors(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}
