/**
 * Builds the binary for arm64 on a Debian machine for x64: with Rust of a newer suite, unpacked into a folder, and Debian's cross linker
 * (`gcc-aarch64-linux-gnu`). For trying it out: a release builds its binaries with a linker that asks for an older glibc.
 *
 *     node scripts/cross.mjs                the binary's package is target/cross/iouring-transport-linux-arm64-gnu
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Missing } from './cached.mjs';
import { unpacked } from './debian.mjs';
import { fail, has, inRoot, say } from './lib.mjs';

/** The first that has a Rust new enough. */
const SUITE = 'forky';
const TARGET = 'aarch64-unknown-linux-gnu';
const LINKER = 'aarch64-linux-gnu-gcc';
const PACKAGE = 'linux-arm64-gnu';

/** @returns {string} the folder of the binary's package */
export function buildForArm64() {
  if (!has(LINKER)) throw new Missing(`there is no ${LINKER} here (Debian: gcc-aarch64-linux-gnu)`);
  say(`Building the native binding for ${TARGET}`);
  const output = inRoot('target', 'cross');
  const { status } = spawnSync('cargo', ['build', '--release', '--package', 'iouring-transport-binding', '--target', TARGET], {
    cwd: inRoot('.'),
    stdio: 'inherit',
    env: {
      ...process.env,
      RUSTC: compiler(output),
      CARGO_TARGET_DIR: output,
      CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: LINKER,
    },
  });
  if (status !== 0) throw new Error(`cargo failed with status ${status}`);
  const folder = path.join(output, `iouring-transport-${PACKAGE}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(inRoot('npm', PACKAGE, 'package.json'), path.join(folder, 'package.json'));
  copyFileSync(
    path.join(output, TARGET, 'release', 'libiouring_transport_binding.so'),
    path.join(folder, `iouring-transport.${PACKAGE}.node`),
  );
  return folder;
}

/** A program that runs that suite's compiler, with that suite's libraries. */
function compiler(folder) {
  const rust = unpacked('rust', SUITE, ['amd64', 'arm64'], ['libstd-rust-dev:amd64', 'libstd-rust-dev:arm64'], {
    dependencies: true,
  });
  const rustc = unpacked('rustc', SUITE, ['amd64', 'arm64'], ['rustc:amd64']);
  const libraries = path.join(rust, 'usr', 'lib', 'x86_64-linux-gnu');
  const program = path.join(folder, 'rustc');
  const loader = path.join(libraries, 'ld-linux-x86-64.so.2');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${loader}' --library-path '${libraries}' '${rustc}/usr/bin/rustc' --sysroot '${rust}/usr' "$@"\n`,
    { mode: 0o755 },
  );
  return program;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.platform !== 'linux' || process.arch !== 'x64') fail('This is for x64.');
  process.stdout.write(`${buildForArm64()}\n`);
}
