/**
 * Loads the native binding, lazily and once per thread. No other file imports it.
 */
import { Buffer } from 'node:buffer';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import process from 'node:process';
import { flawOf } from './binary.ts';
import type { MissingBindingReason } from './errors/iouring.ts';
import type { NativeBinding } from './native-binding.ts';
import { VERSION } from './reactor/protocol.ts';

/** The binding, or the coded reason why there is none. */
export type NativeLoad =
  | { readonly binding: NativeBinding }
  | { readonly binding: null; readonly reason: MissingBindingReason; readonly cause?: unknown };

let loaded: NativeLoad | undefined;

/** Loads the binding on the first call and returns the same answer ever after, unless it may be another the next time. Never throws. */
export function loadNative(): NativeLoad {
  if (loaded !== undefined) return loaded;
  const found = load();
  // There may have been no descriptor or no memory left.
  if (found.binding !== null || found.reason !== 'ERR_IOURING_BINARY_NOT_LOADABLE') loaded = found;
  return found;
}

function load(): NativeLoad {
  if (process.platform !== 'linux') return { binding: null, reason: 'ERR_IOURING_NOT_LINUX' };
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    return { binding: null, reason: 'ERR_IOURING_UNSUPPORTED_ARCHITECTURE' };

  const triple = `linux-${process.arch}-${usesMusl() ? 'musl' : 'gnu'}`;
  // A build made here wins over an installed package, so that a checkout never tests someone else's binary.
  // From `ts/` as from `dist/`, the package root is one folder up.
  const candidates = [`../iouring-transport.${triple}.node`, `iouring-transport-${triple}`];
  const require = ownRequire();
  let absence: unknown;
  for (const candidate of candidates) {
    let file: string;
    try {
      file = require.resolve(candidate);
    } catch (cause) {
      absence = cause; // Not installed: an optional dependency may be left out.
      continue;
    }
    try {
      return { binding: loadBinary(require, file) };
    } catch (cause) {
      return { binding: null, reason: 'ERR_IOURING_BINARY_NOT_LOADABLE', cause };
    }
  }
  return { binding: null, reason: 'ERR_IOURING_NO_BINARY', cause: absence };
}

/** Loads a binary of this very version. Throws what speaks against it. */
function loadBinary(require: NodeJS.Require, file: string): NativeBinding {
  const flaw = flawOf(file);
  if (flaw !== undefined) throw new Error(`${file}: ${flaw}`);
  const binding = require(file) as NativeBinding;
  // They share memory, and each knows its own version's layout alone.
  if (binding.VERSION !== VERSION) throw new Error(`${file}: it is of version ${binding.VERSION}, this is ${VERSION}`);
  return binding;
}

/**
 * A `require` that bundlers leave alone: theirs knows what is in the bundle. In a bundle this module is where the bundle is, or, if that is an ES module, where
 * the program is.
 */
function ownRequire(): NodeJS.Require {
  const base = typeof __filename === 'string' ? __filename : (process.argv[1] ?? process.execPath);
  return process.getBuiltinModule('node:module').createRequire(base);
}

/** Where a program names the loader that it wants: near its head, unless a tool has moved it. */
const HEAD_LENGTH = 4096;

/**
 * Whether this process runs on musl: loading a binary made for the other libc can crash. The program's file tells by the loader that it names. One that was
 * started through a loader is that loader here, and names none: what is mapped tells then, which takes the kernel longer to say.
 */
function usesMusl(): boolean {
  try {
    const [, libc] = /\/ld-(musl|linux)-/.exec(headOfProgram()) ?? [];
    return libc === undefined ? readFileSync('/proc/self/maps', 'latin1').includes('/ld-musl-') : libc === 'musl';
  } catch {
    return false; // No /proc: glibc is the likelier one.
  }
}

function headOfProgram(): string {
  const head = Buffer.alloc(HEAD_LENGTH);
  const fd = openSync('/proc/self/exe', 'r');
  try {
    return head.toString('latin1', 0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}
