//! The modules of the reactor stand in layers: one imports what stands below it, never what stands above. See
//! docs/architecture.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest on. The modules of one line may import each other in the order in which they are listed, and a
/// folder counts as the module that it is of.
const LAYERS: [&[&str]; 8] = [
    // The kernel's numbers, memory, and what system calls are given.
    &["error", "eventfd", "control", "memory", "bounce", "address", "options", "multicast", "socket", "message"],
    // The border to the kernel, and the ring.
    &["features", "config", "kernel", "sqe", "buffer_pool", "buffer_ring", "user_data", "watch"],
    // Names, and what is told to the owner.
    &["handle_id", "event", "receive_buffers", "self_test", "support", "ring"],
    // What is in flight, and what is open.
    &["file::transfer", "file::look", "file::carrier", "file::call", "operation", "slab", "handle"],
    // What every operation needs at hand.
    &["spare_descriptor", "accept_pace", "io"],
    // What sockets and files do.
    &["room", "scm_rights", "stream", "datagram", "listener", "file", "busy_poll", "spin"],
    // What a handle can be: all of them.
    &["resource"],
    // How it all turns.
    &["reactor"],
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The place of a module among [`LAYERS`]: that of the longest name in it that begins its path.
fn place(module: &str) -> Option<(usize, &'static str)> {
    let names = LAYERS.iter().flat_map(|layer| layer.iter().copied()).enumerate();
    names
        .filter(|(_, name)| module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
        .max_by_key(|(_, name)| name.len())
}

/// Paths of the modules that a source names behind `crate::`, tests and comments apart.
fn imports(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let text: String = lines.collect::<Vec<_>>().join("\n");
    text.split("crate::")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':')).unwrap_or(rest.len());
            rest[..end].trim_end_matches(':').to_owned()
        })
        .filter(|path| path.starts_with(|it: char| it.is_lowercase()))
        .collect()
}

#[test]
fn no_module_imports_one_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for path in paths {
        let name = path.strip_prefix(&root).expect("below the root").with_extension("");
        let module = name.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("::");
        if module == "lib" || module.starts_with("fake") || module.starts_with("tests") || module.ends_with("tests") {
            continue;
        }
        let Some((here, known)) = place(&module) else {
            wrong.push(format!("{module} stands in no layer"));
            continue;
        };
        checked += 1;
        for import in imports(&fs::read_to_string(&path).expect("a source")) {
            match place(&import) {
                None => wrong.push(format!("{module} imports {import}, which stands in no layer")),
                Some((there, other)) if there > here && other != known => {
                    wrong.push(format!("{module} imports {import}"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(checked > 40, "the sources were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
