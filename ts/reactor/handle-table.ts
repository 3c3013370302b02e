/**
 * The open handles, by the numbers that Rust gave them; and what a handle hears. Rust reports received bytes and messages of streams alone, and datagrams of
 * datagram sockets alone.
 */
import type { Completion } from './protocol.ts';

export interface Handle {
  /** The number by which Rust knows the handle. */
  readonly id: number;
  /** `close` was called. */
  readonly closed: boolean;
  /** The last batch of completions in which this handle was read from; for the dispatch. */
  batch: number;

  hasRef(): boolean;
  /** Something has happened that none of the others tells of. */
  complete(kind: Completion, result: number): void;
}

export interface StreamEvents extends Handle {
  /** What arrives is lent, to native code of core's. */
  readonly feedsCore: boolean;
  /** What arrives stays in its receive buffer until it is let go of. */
  readonly borrows: boolean;
  /** Whether what waits can be received into memory of its own: it reads, and its bytes go to JavaScript. */
  readonly takesPieces: boolean;

  /** Bytes have arrived. */
  received(bytes: Buffer): void;
  /** The same where {@link feedsCore}: they are the kernel's again after the call. */
  lent(bytes: Uint8Array): void;
  /** The same where {@link borrows}: they stay where they are, `offset` bytes into the pool, until `buffer` is let go of. */
  borrowed(buffer: number, offset: number, length: number): void;
  /** Bytes have arrived, with so many descriptors; whether some were lost on the way. */
  message(bytes: Buffer, descriptors: number, lost: boolean): void;
}

export interface DatagramEvents extends Handle {
  /** Whether all datagrams of a turn are to be handed over at once. */
  readonly gathers: boolean;

  /** Datagrams have arrived: `count` records from `at` on. */
  datagrams(words: Int32Array, at: number, count: number, gathers: boolean): void;
  /** Datagrams are with the kernel: the record at `at`, which is taken apart as they are told of. */
  sent(words: Int32Array, at: number): void;
}

/** The part of a handle's number that says where it is in the table; the rest is its generation. */
const INDEX_MASK = 0xfffff;

export class HandleTable {
  readonly #handles: (Handle | undefined)[] = [];
  /** Handles whose place has a new owner already: Rust has closed them, the news is still on its way. */
  readonly #superseded = new Map<number, Handle>();

  /** Enters a handle under its number. */
  register(handle: Handle): void {
    const index = handle.id & INDEX_MASK;
    const before = this.#handles[index];
    if (before !== undefined) this.#superseded.set(before.id, before);
    this.#handles[index] = handle;
  }

  find(id: number): Handle | undefined {
    const handle = this.#handles[id & INDEX_MASK];
    return handle?.id === id ? handle : this.#superseded.get(id);
  }

  /** Takes out a handle that has been closed. */
  forget(handle: Handle): void {
    if (!this.#superseded.delete(handle.id)) this.#handles[handle.id & INDEX_MASK] = undefined;
  }

  /** The handles that are open and may hold the process. */
  referenced(): Handle[] {
    return this.#handles.filter((handle) => handle !== undefined && !handle.closed && handle.hasRef()) as Handle[];
  }
}
