// Which descriptors this process has open: what a test has left behind.
import { readdirSync, readlinkSync } from 'node:fs';
import process from 'node:process';

/** How many there are of what `kind` says: `socket:[…]`, `anon_inode:[io_uring]`, a path, … All, where it says nothing. */
export function openDescriptors(kind: RegExp = /./): number {
  return readdirSync('/proc/self/fd').filter((fd) => kind.test(targetOf(fd))).length;
}

/** How many of them are sockets; 0 where that cannot be seen. */
export const openSockets = (): number => (process.platform === 'linux' ? openDescriptors(/^socket:/u) : 0);

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // That of the folder itself.
  }
}
