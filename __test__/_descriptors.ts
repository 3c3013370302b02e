// Which descriptors this process has open: what a test has left behind.
import { readdirSync, readlinkSync } from 'node:fs';

/** How many there are of what `kind` says: `socket:[…]`, `anon_inode:[io_uring]`, a path, … All, where it says nothing. */
export function openDescriptors(kind: RegExp = /./): number {
  return readdirSync('/proc/self/fd').filter((fd) => kind.test(targetOf(fd))).length;
}

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // That of the folder itself.
  }
}
