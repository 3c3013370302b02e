/** What the process has of memory, by who has it: in the resident size alone a leak looks like a cache, or like an allocator that keeps what is free. */
import { readFileSync } from 'node:fs';
import process from 'node:process';

/**
 * The C library gives the end of its heap back as soon as it is free, and makes no other heaps for threads. Left to itself glibc makes up to eight for each
 * processor and keeps the free end of each, up to 64 MiB: that looks like a leak and grows for an hour.
 */
export const TIGHT_MALLOC = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: String(128 * 1024) };

/** A mapping in /proc/PID/smaps: where it begins, its name (empty where it has none), what is resident of it in KiB, and its flags. */
const MAPPING = /^([\da-f]+)-\S+ \S+ \S+ \S+ \S+ *(.*)\n(?:.*\n)*?Rss: +(\d+) kB\n(?:.*\n)*?VmFlags: (.*)$/gm;

/** glibc begins the heaps of its other arenas at multiples of this. */
const ARENA = 64 * 1024 * 1024;

function owner(start, name, flags) {
  if (name === '[heap]' || (name === '' && start % ARENA === 0)) return 'malloc';
  if (name.startsWith('/')) return 'files';
  if (name.includes('io_uring')) return 'rings';
  // V8's heaps and the reactor's mappings are kept out of children (MADV_DONTFORK), the rest is stacks and large blocks of malloc's.
  return flags.split(' ').includes('dc') ? 'heaps' : 'other';
}

function residentByOwner() {
  const sums = { malloc: 0, heaps: 0, rings: 0, files: 0, other: 0 };
  for (const [, start, name, resident, flags] of readFileSync('/proc/self/smaps', 'latin1').matchAll(MAPPING)) {
    sums[owner(Number.parseInt(start, 16), name, flags)] += Number(resident) * 1024;
  }
  return sums;
}

/**
 * Bytes. Resident: `rss`, and of it `malloc` (heaps of the C library), `heaps` (V8's and the reactor's buffers, queues and arena), `rings` (the kernel's), `files`
 * (mapped ones), `other`. Of this thread's JavaScript: `used`, `external`, `arrayBuffers`.
 */
export function memory() {
  const resident = residentByOwner();
  const rss = Object.values(resident).reduce((sum, bytes) => sum + bytes);
  const { heapUsed: used, external, arrayBuffers } = process.memoryUsage();
  return { rss, ...resident, used, external, arrayBuffers };
}

/** For people, in MiB. */
export const show = (figures) =>
  Object.entries(figures)
    .map(([name, bytes]) => `${name} ${(bytes / 1048576).toFixed(1)}`)
    .join(', ');
