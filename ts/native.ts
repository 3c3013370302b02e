/**
 * Loads the native binding, lazily and once per thread. No other file imports it.
 */
import { Buffer } from 'node:buffer';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { flawOf, hasBinaries } from './binary.ts';
import type { MissingBindingReason } from './errors/iouring.ts';
import type { NativeBinding } from './native-binding.ts';
import { VERSION } from './reactor/protocol.ts';

/** The binding, or the coded reason why there is none. */
export type NativeLoad =
  | { readonly binding: NativeBinding }
  | { readonly binding: null; readonly reason: MissingBindingReason; readonly cause?: unknown };

let loaded: NativeLoad | undefined;
let loadedFile: string | undefined;

/** Loads the binding on the first call and returns the same answer ever after, unless it may be another the next time. Never throws. */
export function loadNative(): NativeLoad {
  if (loaded !== undefined) return loaded;
  const found = load();
  // There may have been no descriptor or no memory left.
  if (found.binding !== null || found.reason !== 'ERR_IOURING_BINARY_NOT_LOADABLE') loaded = found;
  return found;
}

/**
 * Loads the binding once more into this thread, with a state of its own. Core's `require` gives what it has already.
 *
 * @throws what `process.dlopen` does
 */
export function loadAnew(): NativeBinding {
  const another = { exports: {} };
  process.dlopen(another, loadedFile!);
  return another.exports as NativeBinding;
}

function load(): NativeLoad {
  if (process.platform !== 'linux') return { binding: null, reason: 'ERR_IOURING_NOT_LINUX' };
  if (!hasBinaries()) return { binding: null, reason: 'ERR_IOURING_UNSUPPORTED_ARCHITECTURE' };

  if (becomesSnapshot()) return { binding: null, reason: 'ERR_IOURING_BINARY_NOT_LOADABLE', cause: new Error(IN_SNAPSHOT) };

  const triple = `linux-${process.arch}-${usesMusl() ? 'musl' : 'gnu'}`;
  let found: Found;
  try {
    found = findBeside(triple) ?? findInstalled(triple);
  } catch (cause) {
    return { binding: null, reason: 'ERR_IOURING_NO_BINARY', cause }; // An optional dependency may be left out.
  }
  try {
    return { binding: loadBinary(found) };
  } catch (cause) {
    return { binding: null, reason: 'ERR_IOURING_BINARY_NOT_LOADABLE', cause };
  }
}

/** Options with which a program may be run to be made a start-up snapshot of. */
const MAKES_SNAPSHOT = /^--(?:build-snapshot|experimental-sea-config|build-sea)/;

const IN_SNAPSHOT = 'it cannot be part of a start-up snapshot';

/** Whether this process is made a start-up snapshot of, by which others begin: nothing native can be in it, and V8 ends the process where it finds that. */
function becomesSnapshot(): boolean {
  if (!process.execArgv.some((option) => MAKES_SNAPSHOT.test(option))) return false;
  return process.getBuiltinModule('node:v8').startupSnapshot.isBuildingSnapshot();
}

/** A binary, and how it is loaded. */
interface Found {
  readonly file: string;
  readonly load: () => unknown;
}

/** The binary's name in a checkout, and the package that it is installed by. */
const nameOf = (triple: string): string => `iouring-transport.${triple}.node`;
const packageOf = (triple: string): string => `iouring-transport-${triple}`;

/**
 * Where it is as a rule, in the order of core's rules: in the checkout, or in the package that a package manager puts within this one or beside it. A build made
 * here wins, so that a checkout never tests someone else's binary. To have it looked for by core's rules costs a program that starts a millisecond more.
 */
function findBeside(triple: string): Found | undefined {
  // Not by its name, by which bundlers take `module.require` for theirs. In a bundle, and in an ES module, there is no such module.
  const own = typeof module === 'object' ? module : undefined;
  if (typeof __filename !== 'string' || own?.filename !== __filename || typeof own.require !== 'function') return undefined;
  // From `ts/` as from `dist/`, the package root is one folder up. (`__filename` is what tools would take for a wish to have all of that folder.)
  const root = path.join(path.dirname(own.filename), '..');
  const places = [[], ['node_modules', packageOf(triple)], ['..', packageOf(triple)]];
  const file = places.map((place) => path.join(root, ...place, nameOf(triple))).find((each) => existsSync(each));
  return file === undefined ? undefined : { file, load: () => own.require(file) };
}

/**
 * Wherever core's rules find it. Throws where they do not. In a bundle this module is where the bundle is, or, if that is an ES module, where the program is.
 *
 * A `require` by another name is left alone by bundlers, whose own knows what is in the bundle. Tools that copy what a program needs to another place
 * (@vercel/nft) do read it, made like this and called with the name of a package.
 */
function findInstalled(triple: string, module = process.getBuiltinModule('node:module')): Found {
  const from = module.createRequire(typeof __filename === 'string' ? __filename : (process.argv[1] ?? process.execPath));
  try {
    const file = from.resolve(['..', nameOf(triple)].join('/'));
    return { file, load: () => from(file) };
  } catch {
    return { file: from.resolve(packageOf(triple)), load };
  }

  function load(): unknown {
    switch (triple) {
      case 'linux-x64-gnu':
        return from('iouring-transport-linux-x64-gnu');
      case 'linux-x64-musl':
        return from('iouring-transport-linux-x64-musl');
      case 'linux-arm64-gnu':
        return from('iouring-transport-linux-arm64-gnu');
      case 'linux-arm64-musl':
        return from('iouring-transport-linux-arm64-musl');
      case 'linux-riscv64-gnu':
        return from('iouring-transport-linux-riscv64-gnu');
      case 'linux-ppc64-gnu':
        return from('iouring-transport-linux-ppc64-gnu');
      default:
        return from(packageOf(triple));
    }
  }
}

/** Loads a binary of this very version. Throws what speaks against it. */
function loadBinary({ file, load }: Found): NativeBinding {
  const flaw = flawOf(file);
  if (flaw !== undefined) throw new Error(`${file}: ${flaw}`);
  const binding = load() as NativeBinding;
  // They share memory, and each knows its own version's layout alone.
  if (binding.VERSION !== VERSION) throw new Error(`${file}: it is of version ${binding.VERSION}, this is ${VERSION}`);
  loadedFile = file;
  return binding;
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
    return head.toString('latin1', 0, readSync(fd, head, 0, HEAD_LENGTH, 0));
  } finally {
    closeSync(fd);
  }
}
