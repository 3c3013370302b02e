/**
 * What can be seen of a binary without loading it. A file that was cut short is mapped all the same, and the process dies of `SIGBUS` when what is missing is
 * touched; for another processor's the loader says that there is no such file.
 */
import { Buffer } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import process from 'node:process';

/** The processors that there are binaries for, as Node calls them, and as `e_machine` does. */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183, riscv64: 243, ppc64: 21 };

/** Whether there are binaries for this process's processor. */
export const hasBinaries = (): boolean => process.arch in MACHINES;

const HEADER_LENGTH = 64;
/** Little-endian, 64 bits, the only version there is. */
const IDENTITY = '\x7fELF\x02\x01\x01';

/** Why a file cannot be a binary for this process; undefined where nothing speaks against it. Throws as core does where it cannot be read. */
export function flawOf(file: string): string | undefined {
  const fd = openSync(file, 'r');
  try {
    const header = Buffer.alloc(HEADER_LENGTH);
    // Every argument: wrappers (graceful-fs, which npm puts in the place of `fs`) pass on as length 0 that there is none.
    const length = readSync(fd, header, 0, HEADER_LENGTH, 0);
    if (length < HEADER_LENGTH || !header.toString('latin1').startsWith(IDENTITY)) return 'it is not a 64-bit ELF file';
    const machine = header.readUInt16LE(18);
    if (machine !== MACHINES[process.arch])
      return `it is for another processor (ELF machine ${machine}), this is ${process.arch}`;
    // The table of sections is the last thing that linkers write.
    const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
    const { size } = fstatSync(fd);
    return size < end ? `it was cut short: ${size} bytes of ${end}` : undefined;
  } finally {
    closeSync(fd);
  }
}
