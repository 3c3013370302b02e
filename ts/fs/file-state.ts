/**
 * The life of a FileHandle: how many use it, and when its descriptor is closed.
 */
import process from 'node:process';
import type { RingFile } from '../reactor/index.ts';
import { CORE_MAJOR } from '../core/version.ts';
import { plainCodedError } from '../errors/core.ts';
import { closedError, pathText } from '../errors/system.ts';
import { setImmediate } from '../timers.ts';
import type { PathBytes } from './arguments.ts';
import { closeFile, type Opened } from './opening.ts';

export class FileState {
  /** The descriptor, -1 once closed. */
  fd: number;
  /** A close is under way or waits for operations. */
  closing: Promise<void> | undefined;
  /** Only one web stream may read from a handle. */
  locked = false;
  /** A status can be had without waiting for a network or a server. */
  readonly local: boolean;
  readonly path: PathBytes;
  /** Reads under way that say where: they and others may be done in any order. */
  reading = 0;
  /** The file on the ring; absent once it is closed or given away. */
  #ring: RingFile | undefined;
  /** One for being open, one for each operation. */
  #users = 1;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor({ file, local, path }: Opened) {
    this.#ring = file;
    this.local = local;
    this.path = path;
    this.fd = file.fd();
  }

  /** The file, for an operation named by its system call. The operation must {@link enter} and {@link leave}. */
  file(syscall: string): RingFile {
    if (this.#ring === undefined || this.fd === -1) throw closedError(syscall);
    return this.#ring;
  }

  /** Operations under way. */
  get busy(): boolean {
    return this.#users > 1;
  }

  /** Whether a read may be done before all that is under way. */
  get quiet(): boolean {
    return this.#users === 1 + this.reading;
  }

  enter(): void {
    this.#users++;
  }

  leave(): void {
    if (--this.#users > 0) return;
    const { resolve, reject } = this.#settle ?? { resolve: () => {}, reject: () => {} };
    this.#end().then(resolve, reject);
  }

  /** Does something and keeps the file open meanwhile. */
  async use<T>(syscall: string, operate: (file: RingFile) => Promise<T>): Promise<T> {
    const file = this.file(syscall);
    this.enter();
    try {
      return await operate(file);
    } finally {
      this.leave();
    }
  }

  /** Closes once everything under way is done. */
  close(): Promise<void> {
    if (this.closing) return this.closing;
    if (this.fd === -1) return Promise.resolve();
    const closed =
      --this.#users === 0
        ? this.#end()
        : new Promise<void>((resolve, reject) => {
            this.#settle = { resolve, reject };
          });
    this.closing = closed.finally(() => {
      this.closing = undefined;
    });
    return this.closing;
  }

  /** Gives the descriptor away; nothing may be under way. */
  release(): number {
    const fd = this.file('release').release();
    if (fd >= 0) {
      this.fd = -1;
      this.#users = 0;
      this.#ring = undefined;
      registry.unregister(this);
    }
    return fd;
  }

  async #end(): Promise<void> {
    const file = this.#ring;
    this.fd = -1;
    this.#ring = undefined;
    registry.unregister(this);
    if (file !== undefined) await closeFile(file);
  }
}

let deprecated = false;

/** What core says of a handle that was forgotten without being closed: warnings, an exception from Node 25 on. */
function complain({ fd, path }: FileState): void {
  if (CORE_MAJOR >= 25) {
    const error = plainCodedError(
      'ERR_INVALID_STATE',
      'A FileHandle object was closed during garbage collection. This used to be allowed with a deprecation warning but is now ' +
        `considered an error. Please close FileHandle objects explicitly. File descriptor: ${fd} (${pathText(path)})`,
    );
    setImmediate(() => {
      throw error;
    });
    return;
  }
  process.emitWarning(`Closing file descriptor ${fd} on garbage collection`);
  if (deprecated) return;
  deprecated = true;
  process.emitWarning(
    'Closing a FileHandle object on garbage collection is deprecated. Please close FileHandle objects explicitly using ' +
      'FileHandle.prototype.close(). In the future, an error will be thrown if a file descriptor is closed during garbage collection.',
    'DeprecationWarning',
    'DEP0137',
  );
}

/** Handles that were forgotten without being closed. */
const registry = new FinalizationRegistry<FileState>((state) => {
  if (state.fd === -1) return;
  complain(state);
  state.close().catch(() => {});
});

/** Closes the file when `handle` is collected, with what core says of that. */
export function watch(handle: object, state: FileState): void {
  registry.register(handle, state, state);
}
