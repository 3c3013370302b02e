/**
 * Memory that Rust shares: the queues, and the buffers that the kernel receives into.
 *
 * No script is given the `ArrayBuffer` of it, but one that has got hold of it can move it (`transfer()`), which leaves a view of no length. The memory itself stays
 * where it is, with all that is in it, so that another view is as good.
 */
import { Buffer } from 'node:buffer';
import type { NativeReactor } from '../native-binding.ts';
import { COMMAND_CAPACITY, HEADER_WORDS, RECORD_WORDS } from './protocol.ts';

/** Where the records begin, in words: of commands, and of completions. */
export const COMMANDS_START = HEADER_WORDS;
export const COMPLETIONS_START = COMMANDS_START + COMMAND_CAPACITY * RECORD_WORDS;

export class SharedMemory {
  readonly #native: NativeReactor;
  #queues: Int32Array;
  #receiveBuffers: Buffer;
  #datagramBuffers: Buffer | undefined = undefined;

  constructor(native: NativeReactor) {
    this.#native = native;
    this.#queues = new Int32Array(native.queues);
    this.#receiveBuffers = Buffer.from(native.pool);
  }

  /** Header, commands and completions; see `crates/binding/src/protocol.rs`. */
  queues(): Int32Array {
    if (this.#queues.length === 0) this.#queues = new Int32Array(this.#native.queues);
    return this.#queues;
  }

  /** The receive buffers of streams. */
  receiveBuffers(): Buffer {
    if (this.#receiveBuffers.length === 0) this.#receiveBuffers = Buffer.from(this.#native.pool);
    return this.#receiveBuffers;
  }

  /** The receive buffers of datagram sockets, and of streams that take descriptors; there once there was one. */
  datagramBuffers(): Buffer {
    const buffers = this.#datagramBuffers;
    if (buffers !== undefined && buffers.length > 0) return buffers;
    return (this.#datagramBuffers = Buffer.from(this.#native.datagramPool));
  }
}
