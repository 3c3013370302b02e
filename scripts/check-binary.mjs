/**
 * `node scripts/check-binary.mjs FILE…`: whether binaries are fit to be published: stripped, small, for no newer glibc than the oldest that we serve, for pages of
 * every size that the processor has, and in need of nothing but the C library. What was built without a cross toolchain needs the glibc of the machine that it was built on, and is refused here.
 */
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { newest, readElf } from './elf.mjs';
import { fail } from './lib.mjs';

/** Bytes. */
export const LARGEST = 700 * 1024;
/** RHEL 8, Debian 10; Node.js 20's own. */
const OLDEST_GLIBC = [2, 28];
/** Bytes of the largest pages that kernels have for a processor, by its number in ELF: arm64 and ppc64. Elsewhere it is 4096. */
const PAGES = { 183: 65536, 21: 65536 };
/** Parts of glibc, musl's only one, and what comes with the compiler and is wherever Node is. */
const LIBRARIES = /^(?:lib(?:c|m|dl|rt|pthread|gcc_s)\.so[.\d]*|ld-linux[\w.-]*|ld64\.so\.\d|libc\.musl-\w+\.so\.1)$/;

/** What speaks against publishing a binary; with `builtHere` the version of glibc does not. */
export function faultsOf(file, { builtHere = false } = {}) {
  const { machine, pages, size, stripped, libraries, versions } = readElf(file);
  const glibc = newest(versions, 'GLIBC');
  const faults = [];
  if (size > LARGEST) faults.push(`${size} bytes, which is more than ${LARGEST}`);
  if (pages < (PAGES[machine] ?? 4096)) faults.push(`it cannot be loaded where pages are larger than ${pages} bytes`);
  if (!stripped) faults.push('it has its symbols still');
  for (const library of libraries) if (!LIBRARIES.test(library)) faults.push(`it needs ${library}`);
  if (!builtHere && glibc !== undefined && (glibc[0] - OLDEST_GLIBC[0] || glibc[1] - OLDEST_GLIBC[1]) > 0)
    faults.push(`it needs glibc ${glibc.join('.')}, and is to run with ${OLDEST_GLIBC.join('.')}`);
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = process.argv.slice(2);
  if (files.length === 0) fail('Which files?');
  const faults = files.flatMap((file) => faultsOf(file).map((fault) => `${path.basename(file)}: ${fault}`));
  if (faults.length > 0) fail(faults.join('\n'));
  for (const file of files) {
    const { size, versions } = readElf(file);
    const glibc = newest(versions, 'GLIBC')?.join('.');
    process.stdout.write(`${path.basename(file)}: ${size} bytes, ${glibc === undefined ? 'no glibc' : `glibc ${glibc}`}\n`);
  }
}
