/**
 * Builds the binaries that are published, each for one processor and C library, on a machine for x64. Zig links them: it knows all of these C libraries, and glibc as it
 * was in its older versions. Rust's own comes from rustup where it has that target; elsewhere, on a Debian machine, Rust of a newer suite is unpacked into a folder.
 *
 *     node scripts/cross.mjs TARGET…       as Rust calls them; leaves iouring-transport.linux-….node in target/cross
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { cacheFolder, MINUTE, Missing } from './cached.mjs';
import { faultsOf } from './check-binary.mjs';
import { unpacked } from './debian.mjs';
import { fail, inRoot, say } from './lib.mjs';

/** Debian's first that has a Rust new enough. */
const SUITE = 'forky';
const GLIBC = '2.28';
/**
 * `name` is that of the package and `debian` of the processor; `zig` says for which processor and C library it links. For a `small` one Rust's library is
 * compiled too, for size and without what finds names for a backtrace: a panic says what and where, as everywhere, and there are no names in a stripped binary.
 */
export const TARGETS = {
  'x86_64-unknown-linux-gnu': { name: 'linux-x64-gnu', zig: `x86_64-linux-gnu.${GLIBC}`, debian: 'amd64' },
  'aarch64-unknown-linux-gnu': { name: 'linux-arm64-gnu', zig: `aarch64-linux-gnu.${GLIBC}`, debian: 'arm64' },
  'x86_64-unknown-linux-musl': { name: 'linux-x64-musl', zig: 'x86_64-linux-musl' },
  'aarch64-unknown-linux-musl': { name: 'linux-arm64-musl', zig: 'aarch64-linux-musl' },
  'riscv64gc-unknown-linux-gnu': { name: 'linux-riscv64-gnu', zig: `riscv64-linux-gnu.${GLIBC}`, debian: 'riscv64' },
  // Its instructions take up more room: with Rust's library as it comes it would be larger than it may be.
  'powerpc64le-unknown-linux-gnu': {
    name: 'linux-ppc64-gnu',
    zig: `powerpc64le-linux-gnu.${GLIBC}`,
    debian: 'ppc64el',
    small: true,
  },
};

/**
 * Builds for a target.
 *
 * @returns {string} path of the file, which is named as in its package
 * @throws {Missing} where a compiler for it, or Zig, cannot be had
 */
export function buildFor(target) {
  const { name, small } = TARGETS[target];
  say(`Building the native binding for ${target}`);
  const args = ['build', '--package', 'iouring-transport-binding'];
  const { output, folder } = cargoFor(target, small ? smallLibrary : library, args);
  const file = path.join(folder, `iouring-transport.${name}.node`);
  copyFileSync(path.join(output, target, 'release', 'libiouring_transport_binding.so'), file);
  return file;
}

/** Builds the reactor's tests for a target, as a release is built. @returns {string[]} paths of the programs */
export function testsFor(target) {
  say(`Building the reactor's tests for ${target}`);
  const args = ['test', '--no-run', '--package', 'iouring-reactor', '--lib', '--test', 'kernel', '--message-format=json'];
  const { stdout } = cargoFor(target, library, args, ['ignore', 'pipe', 'inherit']);
  const messages = stdout.split('\n').filter((line) => line.startsWith('{'));
  return messages.map((line) => JSON.parse(line).executable).filter((program) => typeof program === 'string');
}

/** Runs a command of cargo's for a target, with {@link library} or {@link smallLibrary}. */
function cargoFor(target, libraryFor, [command, ...args], stdio = 'inherit') {
  const folder = inRoot('target', 'cross', TARGETS[target].name);
  mkdirSync(folder, { recursive: true });
  const rust = libraryFor(target, folder);
  // Some packages are compiled anew where the variable for sources has come or gone, and all that depend on them.
  const output = inRoot('target', 'cross', ...(rust.env.RUSTC_BOOTSTRAP === undefined ? [] : ['sources']));
  const env = {
    ...process.env,
    ...rust.env,
    [`CARGO_TARGET_${target.toUpperCase().replaceAll('-', '_')}_LINKER`]: linker(target, folder),
    // Node's C library is the binding's too; on musl Rust would put one into what it builds.
    ...(target.endsWith('-musl') && { RUSTFLAGS: '-C target-feature=-crt-static' }),
  };
  const all = [command, '--release', '--locked', ...rust.args, '--target', target, '--target-dir', output, ...args];
  const { status, stdout } = spawnSync('cargo', all, { cwd: inRoot('.'), stdio, env, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`cargo failed with status ${status}`);
  return { output, folder, stdout };
}

/** The same, in a folder as npm would install it: for trying it out. @returns {string} its path */
export function packageFor(target) {
  const file = buildFor(target);
  const { name } = TARGETS[target];
  copyFileSync(inRoot('npm', name, 'package.json'), path.join(path.dirname(file), 'package.json'));
  return path.dirname(file);
}

/** A program for Rust to link with. */
function linker(target, folder) {
  const program = path.join(folder, 'linker');
  // Zig would put an unwinder of its own into the binary. That of GCC is wherever Node is.
  writeFileSync(
    program,
    `#!/bin/sh
for argument do
  shift
  case "$argument" in
    -lgcc_s) argument='${unwinder(target, folder)}' ;;
    -m64) continue ;;
  esac
  set -- "$@" "$argument"
done
exec '${zig()}' cc -target ${TARGETS[target].zig} -Wl,--hash-style=gnu "$@"
`,
    { mode: 0o755 },
  );
  return program;
}

/** A stand-in for `libgcc_s.so.1`, to link against: it has the functions that Rust calls by name and version, and nothing in them. */
function unwinder(target, folder) {
  const versions = {
    'GCC_3.0':
      'RaiseException Resume DeleteException GetIP SetIP SetGR GetRegionStart GetLanguageSpecificData GetDataRelBase GetTextRelBase',
    'GCC_3.3': 'Backtrace GetCFA FindEnclosingFunction',
    'GCC_4.2.0': 'GetIPInfo',
  };
  const functions = Object.entries(versions).map(([version, names]) => [version, names.split(' ').map((it) => `_Unwind_${it}`)]);
  const [source, map, library] = ['unwinder.c', 'unwinder.map', 'libgcc_s.so.1'].map((it) => path.join(folder, it));
  writeFileSync(source, functions.flatMap(([, names]) => names.map((it) => `void ${it}(void) {}\n`)).join(''));
  writeFileSync(map, functions.map(([version, names]) => `${version} { global: ${names.join('; ')}; };\n`).join(''));
  const options = ['-shared', '-nostdlib', `-Wl,-soname,${path.basename(library)}`, `-Wl,--version-script=${map}`];
  const { status } = spawnSync(zig(), ['cc', '-target', TARGETS[target].zig, ...options, '-o', library, source], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`zig failed with status ${status}`);
  return library;
}

/** Zig's program, fetched once. The file beside this one says which, and the hash of what is fetched. */
function zig() {
  const requirements = inRoot('scripts', 'zig.txt');
  const [, version] = /==([\d.]+)/.exec(readFileSync(requirements, 'utf8'));
  const folder = cacheFolder('zig', version);
  const program = path.join(folder, 'bin', 'python-zig');
  if (!existsSync(program)) {
    const options = { stdio: ['ignore', 'inherit', 'inherit'], timeout: 3 * MINUTE };
    spawnSync('python3', ['-m', 'venv', folder], options);
    const args = ['install', '--quiet', '--disable-pip-version-check', '--require-hashes', '--requirement', requirements];
    spawnSync(path.join(folder, 'bin', 'pip'), args, options);
  }
  if (!existsSync(program)) throw new Missing('zig cannot be had here');
  return program;
}

/** With which compiler and library of Rust's a target is built: cargo's arguments and environment. Nothing where rustup has it. */
function library(target, folder) {
  if (existsSync(rustc('--print', 'target-libdir', '--target', target))) return { args: [], env: {} };
  const { debian } = TARGETS[target];
  if (debian !== undefined) return { args: [], env: { RUSTC: debianCompiler(debian, `libstd-rust-dev:${debian}`, folder) } };
  return fromSources(folder, []);
}

/** The same with a library that is small. Tests need another: it cannot unwind. */
function smallLibrary(_target, folder) {
  return fromSources(folder, ['-Zbuild-std-features=optimize_for_size']);
}

/**
 * Rust's library is compiled from its sources: rustup's (the component `rust-src`) or Debian's. That is asked of a compiler which is no nightly one: the
 * variable allows it.
 */
function fromSources(folder, args) {
  const here = existsSync(path.join(rustc('--print', 'sysroot'), 'lib', 'rustlib', 'src', 'rust', 'library'));
  const env = here ? {} : { RUSTC: debianCompiler('amd64', 'rust-src:amd64', folder) };
  return { args: ['-Zbuild-std=std,panic_abort', ...args], env: { ...env, RUSTC_BOOTSTRAP: '1' } };
}

/** What this machine's compiler answers; nothing where there is none. */
function rustc(...args) {
  return spawnSync('rustc', args, { encoding: 'utf8' }).stdout?.trim() ?? '';
}

/** A program that runs the compiler of Debian's newer suite, with that suite's libraries and another package. */
function debianCompiler(debian, wanted, folder) {
  const archs = [...new Set(['amd64', debian])];
  const rust = unpacked(wanted.replace(':', '-'), SUITE, archs, ['libstd-rust-dev:amd64', wanted], { dependencies: true });
  const rustc = unpacked('rustc', SUITE, archs, ['rustc:amd64']);
  const libraries = path.join(rust, 'usr', 'lib', 'x86_64-linux-gnu');
  const program = path.join(folder, 'rustc');
  const loader = path.join(libraries, 'ld-linux-x86-64.so.2');
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${loader}' --library-path '${libraries}' '${rustc}/usr/bin/rustc' --sysroot '${rust}/usr' "$@"\n`,
    { mode: 0o755 },
  );
  return program;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const targets = process.argv.slice(2);
  const unknown = targets.find((target) => !(target in TARGETS));
  if (targets.length === 0 || unknown !== undefined) fail(`Which targets? ${Object.keys(TARGETS).join(', ')}`);
  for (const target of targets) {
    const file = buildFor(target);
    const faults = faultsOf(file);
    if (faults.length > 0) fail(`${path.basename(file)}: ${faults.join('; ')}`);
    // Not in the root folder: there lies this machine's own, by which the tests go.
    copyFileSync(file, inRoot('target', 'cross', path.basename(file)));
  }
}
