/**
 * Loads the native binding, lazily and once per thread. No other file imports it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import type { UnavailableReason } from './unavailable.ts';

const require = createRequire(import.meta.url);

/** What the binding finds out by trying; plain data. */
export interface NativeSupport {
  /** Whether a ring could be set up, entered, and passed the self-test. */
  readonly available: boolean;
  /** Code of what stands in the way; null where nothing does. */
  readonly reason: UnavailableReason | null;
  /** The same for a person: a sentence without its full stop; null where nothing does. */
  readonly message: string | null;
  /** The errno that was seen, of either sign; 0 for none. */
  readonly errno: number;
  /** The running kernel's release as `uname -r` prints it. For messages only: features are tried, never guessed from it. */
  readonly kernel: string;
  /** Names of the kernel features that were found. */
  readonly features: readonly string[];
}

/** What the binding exports. */
export interface NativeBinding {
  support(): NativeSupport;
}

/** The binding, or the coded reason why there is none. */
export type NativeLoad =
  | { readonly binding: NativeBinding }
  | { readonly binding: null; readonly reason: MissingBindingReason; readonly cause?: unknown };

/** Why no binding was loaded. */
export type MissingBindingReason =
  'ERR_IOURING_NOT_LINUX' | 'ERR_IOURING_UNSUPPORTED_ARCHITECTURE' | 'ERR_IOURING_NO_BINARY' | 'ERR_IOURING_BINARY_NOT_LOADABLE';

let loaded: NativeLoad | undefined;

/** Loads the binding on the first call and returns the same answer ever after. Never throws. */
export function loadNative(): NativeLoad {
  return (loaded ??= load());
}

function load(): NativeLoad {
  if (process.platform !== 'linux') return { binding: null, reason: 'ERR_IOURING_NOT_LINUX' };
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    return { binding: null, reason: 'ERR_IOURING_UNSUPPORTED_ARCHITECTURE' };

  const triple = `linux-${process.arch}-${usesMusl() ? 'musl' : 'gnu'}`;
  // A build made here wins over an installed package, so that a checkout never tests someone else's binary.
  // From `ts/` as from `dist/`, the package root is one folder up.
  const candidates = [`../iouring-transport.${triple}.node`, `iouring-transport-${triple}`];
  for (const candidate of candidates) {
    let file: string;
    try {
      file = require.resolve(candidate);
    } catch {
      continue; // Not installed: an optional dependency may be left out.
    }
    try {
      return { binding: require(file) as NativeBinding };
    } catch (cause) {
      return { binding: null, reason: 'ERR_IOURING_BINARY_NOT_LOADABLE', cause };
    }
  }
  return { binding: null, reason: 'ERR_IOURING_NO_BINARY' };
}

/** Whether this process runs on musl: its dynamic loader is mapped then. Loading a binary made for the other libc can crash. */
function usesMusl(): boolean {
  try {
    return readFileSync('/proc/self/maps', 'latin1').includes('/ld-musl-');
  } catch {
    return false; // No /proc: glibc is the likelier one.
  }
}
