/**
 * Where a status comes from.
 */
import fs from 'node:fs';
import type { RingFile } from '../reactor/index.ts';

/** `f_type` of file systems that keep the inodes of open files in memory: ext2/3/4, xfs, btrfs, tmpfs, ramfs, overlayfs, f2fs, zfs. */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0x794c7630, 0xf2f52010, 0x2fc12fc1,
]);

/** Whether the status of an open file can be had without waiting for a network or a server. */
export function isLocal(file: RingFile): boolean {
  try {
    return LOCAL.has(fs.statfsSync(`/proc/self/fd/${file.fd()}`).type);
  } catch {
    return false;
  }
}
