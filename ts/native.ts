/**
 * Loads the native binding, lazily and once per thread. No other file imports it.
 */
import { Buffer } from 'node:buffer';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import type { MissingBindingReason, TrialReason } from './errors/iouring.ts';

const require = createRequire(import.meta.url);

/** What the binding finds out by trying; plain data. */
export interface NativeSupport {
  /** Whether a ring could be set up, entered, and passed the self-test. */
  readonly available: boolean;
  /** Code of what stands in the way; null where nothing does. */
  readonly reason: TrialReason | null;
  /** The same for a person: a sentence without its full stop; empty where nothing does. */
  readonly message: string;
  /** The errno that was seen, negative; absent where there was none. */
  readonly errno?: number;
  /** The running kernel's release as `uname -r` prints it. For messages only: features are tried, never guessed from it. */
  readonly kernel: string;
  /** Names of the kernel features that were found. */
  readonly features: readonly string[];
}

/** An address as Rust tells it: family 0 is a UNIX socket, whose path is the address. */
export interface NativeEndpoint {
  readonly family: number;
  readonly address: string;
  readonly port: number;
}

/** Who the peer of a UNIX-domain stream is. */
export interface NativeCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The reactor of a thread: `crates/binding/src/native_reactor.rs`. Numbers returned are negative errnos on failure. */
export interface NativeReactor {
  /** Names of the kernel features that were found. */
  readonly features: readonly string[];
  readonly queues: ArrayBuffer;
  readonly arena: ArrayBuffer;
  readonly pool: ArrayBuffer;
  readonly flushes: boolean;
  /** Where views are lent to writes. The places made before are not looked at any more. */
  makePlaces(count: number): (Uint8Array | undefined)[];
  flush(): void;
  /** Closes at once. @returns the number of connections that the kernel has accepted, and of which a completion is still to tell */
  closeNow(handle: number): number;
  /** Makes an error an uncaught exception, in the middle of a dispatch. */
  reportException(error: unknown): void;
  /** Takes the memory away from an `ArrayBuffer` that nobody will use any more. */
  discard(buffer: ArrayBufferLike): void;
  reference(): void;
  unreference(): void;
  /** Keeps the process alive until what has been written is offered to the kernel, and on while the kernel does not take it. */
  holdUntilOffered(): void;
  open(domain: number, listener: boolean): number;
  adopt(fd: number, listener: boolean): number;
  duplicate(fd: number): number;
  fd(handle: number): number;
  bind(handle: number, address: string, port: number): number;
  listen(handle: number, backlog: number): number;
  connect(handle: number, address: string, port: number): number;
  localEndpoint(handle: number): NativeEndpoint | number;
  peerEndpoint(handle: number): NativeEndpoint | number;
  receiveDescriptors(handle: number, limit: number): number;
  takeDescriptors(handle: number): number[];
  stageDescriptors(handle: number, fds: readonly number[]): number;
  peerCredentials(handle: number): NativeCredentials | number;
  readonly datagramPool: ArrayBuffer;
  openDatagram(domain: number): number;
  adoptDatagram(fd: number, unix: boolean): number;
  offerDatagrams(handle: number): void;
  socketKind(fd: number): string | null;
  connectDatagram(handle: number, address: string, port: number): number;
  socketAddress(address: string, port: number): ArrayBuffer | number;
  describeAddress(bytes: Uint8Array): NativeEndpoint | number;
  datagramQueue(handle: number): { count: number; bytes: number };
  membership(handle: number, join: boolean, group: string, source?: string, interfaceAddress?: string): number;
  multicastInterface(handle: number, address: string): number;
  setOption(handle: number, option: number, value: number): number;
  getOption(handle: number, option: number): number | null;
  fileJob(
    kind: number,
    token: number,
    handle: number,
    path: string | Uint8Array | null,
    other: string | Uint8Array | null,
    a: number,
    b: number,
    c: number,
    linked: boolean,
  ): number;
  /** A function, to be asked for once. */
  readonly readNow: (handle: number, view: Uint8Array, offset: number, length: number, position: number) => number;
  /** A function, to be asked for once. */
  readonly readManyNow: (
    handle: number,
    view: Uint8Array,
    positions: Float64Array,
    size: number,
    counts: Int32Array,
    most: number,
  ) => number;
  /** A function, to be asked for once. */
  readonly sendNow: (handle: number, view: Uint8Array) => number;
  adoptFile(fd: number): number;
  releaseFile(handle: number): number;
  prioritizeFile(handle: number, priority: number): void;
  limitWorkers(bounded: number, unbounded: number): number;
  stats(): {
    handles: number;
    operations: number;
    buffersLent: number;
    starved: number;
    backlog: number;
    waiting: number;
    bounces: number;
    turns: number;
  };
}

/** Makes the one reactor of a thread. */
export type NativeReactorConstructor = new (dispatch: () => void, waiter: boolean) => NativeReactor;

/** What the binding exports. */
export interface NativeBinding {
  support(): NativeSupport;
  /** True on the first call in the process, whichever of its threads makes it. */
  claimWarning(): boolean;
  readonly NativeReactor: NativeReactorConstructor;
  /** Memory of so many bytes, more than zero; null where there is none. */
  alignedMemory(size: number): ArrayBuffer | null;
}

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
