/**
 * Dispatches completions: what Rust tells of. They come in batches, one call for all of them.
 */
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { publish } from '../channels.ts';
import { RingFailedError } from '../errors/iouring.ts';
import type { NativeReactor } from '../native-binding.ts';
import { type CommandQueue, WORD } from './command-queue.ts';
import type { FileRequests } from './file-requests.ts';
import type { DatagramEvents, HandleTable, StreamEvents } from './handle-table.ts';
import { HeapKeeper, LARGE_CHUNK } from './heap.ts';
import { COPY_BY_HAND, ownCopy } from './own-copy.ts';
import { Command, Completion, CompletionWord, FileWord, Header, ReceivedWord, RECORD_WORDS } from './protocol.ts';
import type { ReadBudget } from './read-budget.ts';
import type { ReceivedBuffers } from './received-buffers.ts';
import { COMPLETIONS_START, type SharedMemory } from './shared-memory.ts';
import { coresRunTicks } from './ticks.ts';

/** Most bytes that are put together for one read, as core reads at most 64 KiB at once. */
const READ_SIZE = 64 * 1024;

/**
 * How long one dispatch may take, in microseconds, before timers, `setImmediate` and other handles of the event loop get their turn. The clock is looked
 * at after so much work: records, and as many more as there are pages among the bytes.
 */
const DISPATCH_TIME = 1000;
const UNWATCHED = 16;
const PAGE_SHIFT = 12;
const READ_PAGES = READ_SIZE >> PAGE_SHIFT;

/**
 * Most pieces of {@link READ_SIZE} that are received for one handle in a row: a turn costs as much as a piece does. More keep others waiting; libuv, which
 * reads up to 32 in a row, has its timers come late by that.
 */
const PIECES = 16;

/** Taken before anybody can replace it: fake timers must not stop the sockets. */
const { hrtime } = process;

/** A clock in milliseconds. That of `performance` would have to be loaded. */
function now(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** What a handle hears once between two rounds of ticks and microtasks. */
function readsOnce(kind: Completion): boolean {
  return (
    kind === Completion.Received ||
    kind === Completion.Readable ||
    kind === Completion.Datagram ||
    kind === Completion.Message ||
    kind === Completion.Ended
  );
}

/** What completions are about. */
interface DispatchParts {
  readonly native: NativeReactor;
  readonly shared: SharedMemory;
  readonly commands: CommandQueue;
  readonly received: ReceivedBuffers;
  readonly handles: HandleTable;
  readonly files: FileRequests;
  readonly readBudget: ReadBudget;
  readonly receiveNowait: NativeReactor['receiveNowait'];
}

export class Dispatcher {
  readonly #native: NativeReactor;
  readonly #memory: SharedMemory;
  readonly #commands: CommandQueue;
  readonly #received: ReceivedBuffers;
  readonly #handles: HandleTable;
  readonly #files: FileRequests;
  readonly #budget: ReadBudget;
  readonly #heap: HeapKeeper;
  readonly #receiveNowait: NativeReactor['receiveNowait'];
  /** What the next piece is received into; nobody else has it. */
  #room: Buffer | undefined = undefined;
  /** Most that one dispatch takes, in milliseconds. */
  readonly #time: number;
  #batch = 0;

  /** @param time most microseconds that one dispatch takes */
  constructor(parts: DispatchParts, time = DISPATCH_TIME) {
    this.#native = parts.native;
    this.#memory = parts.shared;
    this.#commands = parts.commands;
    this.#received = parts.received;
    this.#handles = parts.handles;
    this.#files = parts.files;
    this.#budget = parts.readBudget;
    this.#receiveNowait = parts.receiveNowait;
    this.#time = time / 1000;
    this.#heap = new HeapKeeper((buffer) => this.#native.discard(buffer));
  }

  /**
   * Dispatches completions, from the cursor on. Called by Rust, again and again until the cursor has passed them all: it may end early with an
   * exception of a handler's. Between two reads of one handle ticks and microtasks run, as they do in core.
   */
  dispatch(): void {
    const words = this.#memory.queues();
    const count = words[Header.Completions];
    this.#batch++;
    this.#commands.round++;
    this.#budget.renew();
    let unwatched = UNWATCHED;
    let deadline = 0;
    for (let cursor = words[Header.Cursor]; cursor < count; cursor = words[Header.Cursor]!) {
      const at = COMPLETIONS_START + cursor * RECORD_WORDS;
      const kind: Completion = words[at];
      const id = words[at + CompletionWord.Handle];
      const result = words[at + CompletionWord.Result];
      unwatched -= 1 + (kind === Completion.Received ? result >> PAGE_SHIFT : kind === Completion.Readable ? READ_PAGES : 0);
      if (unwatched <= 0) {
        const time = now();
        if (deadline === 0) deadline = time + this.#time;
        else if (time >= deadline) {
          words[Header.Yielded] = 1;
          return;
        }
        unwatched = UNWATCHED;
      }
      const handle = kind === Completion.FileDone || kind === Completion.FileOpened ? undefined : this.#handles.find(id);
      if (kind === Completion.FileDone) {
        words[Header.Cursor] = cursor + 1;
        this.#files.done(words[at + FileWord.Token], result);
        continue;
      }
      if (kind === Completion.FileOpened) {
        words[Header.Cursor] = cursor + 1;
        const size = (words[at + FileWord.SizeLow] >>> 0) + words[at + FileWord.SizeHigh] * WORD;
        this.#files.opened(words[at + FileWord.Token], id, { mode: result, size, local: words[at + FileWord.Local] !== 0 });
        continue;
      }
      if (handle === undefined) {
        words[Header.Cursor] = cursor + 1;
        this.#orphan(kind, result);
        continue;
      }
      if (kind === Completion.Received && (handle as StreamEvents).feedsCore) {
        words[Header.Cursor] = cursor + 1;
        (handle as StreamEvents).lent(
          new Uint8Array(this.#memory.receiveBuffers().buffer, words[at + ReceivedWord.Offset], result),
        );
        continue;
      }
      if (kind === Completion.Received && (handle as StreamEvents).borrows) {
        words[Header.Cursor] = cursor + 1;
        this.#received.borrow(words, at, words[at + ReceivedWord.Buffer]);
        try {
          (handle as StreamEvents).borrowed(words[at + ReceivedWord.Buffer], words[at + ReceivedWord.Offset], result);
        } finally {
          this.#received.handedOver();
        }
        continue;
      }
      if (readsOnce(kind)) {
        if (handle.batch === this.#batch) {
          if (coresRunTicks === undefined) return;
          this.runTicks();
          this.#batch++;
          // The handle may be another one now.
          continue;
        }
        if (kind !== Completion.Ended) handle.batch = this.#batch;
      }
      if (kind === Completion.Received) {
        (handle as StreamEvents).received(this.#take(words, cursor, count, id));
        continue;
      }
      if (kind === Completion.Readable) {
        words[Header.Cursor] = cursor + 1;
        this.#takePieces(handle as StreamEvents);
        continue;
      }
      if (kind === Completion.Datagram) {
        const { gathers } = handle as DatagramEvents;
        const end = gathers ? this.#run(words, cursor, count, id) : cursor + 1;
        words[Header.Cursor] = end;
        (handle as DatagramEvents).datagrams(words, at, end - cursor, gathers);
        continue;
      }
      if (kind === Completion.Message) {
        words[Header.Cursor] = cursor + 1;
        const offset = words[at + ReceivedWord.Offset];
        (handle as StreamEvents).message(
          ownCopy(this.#memory.datagramBuffers(), offset, result),
          words[at + ReceivedWord.Descriptors],
          words[at + ReceivedWord.Lost] !== 0,
        );
        continue;
      }
      if (kind === Completion.Sent) {
        // A record for several: an exception of a callback's brings us back here for the rest.
        (handle as DatagramEvents).sent(words, at);
        words[Header.Cursor] = cursor + 1;
        continue;
      }
      words[Header.Cursor] = cursor + 1;
      if (kind === Completion.Closed) this.#handles.forget(handle);
      handle.complete(kind, result);
      if (kind === Completion.Written) continue;
      // Rare enough to be followed by ticks and microtasks, as each callback of core's is.
      if (coresRunTicks === undefined) return;
      this.runTicks();
      this.#batch++;
    }
  }

  /** Makes an error an uncaught exception. As in core, ticks and microtasks do not run right behind it, but with those of the next callback. */
  report(error: unknown): void {
    this.#native.reportException(error);
    this.#batch++;
  }

  /**
   * Runs the ticks and microtasks that are due. What is thrown has to be told of here: it leaves the stack of asynchronous contexts in disorder, which
   * telling mends. True when nothing was: else some may be left.
   */
  runTicks(): boolean {
    try {
      coresRunTicks?.();
      return true;
    } catch (error) {
      this.report(error);
      return false;
    }
  }

  /** Copies what has been received for one handle, in this record and those right behind it, and passes them: memory of their own, as in {@link ownCopy}. */
  #take(words: Int32Array, cursor: number, count: number, id: number): Buffer {
    let at = COMPLETIONS_START + cursor * RECORD_WORDS;
    let length = words[at + CompletionWord.Result];
    let end = cursor + 1;
    for (let next = at + RECORD_WORDS; end < count; next += RECORD_WORDS, end++) {
      const kind: Completion = words[next];
      if (
        kind !== Completion.Received ||
        words[next + CompletionWord.Handle] !== id ||
        length + words[next + CompletionWord.Result] > READ_SIZE
      )
        break;
      length += words[next + CompletionWord.Result];
    }
    words[Header.Cursor] = end;

    const bytes = Buffer.allocUnsafeSlow(length);
    if (length >= LARGE_CHUNK) this.#heap.note(length);
    const pool = this.#memory.receiveBuffers();
    let filled = 0;
    for (let record = cursor; record < end; record++, at += RECORD_WORDS) {
      const size = words[at + CompletionWord.Result];
      const offset = words[at + ReceivedWord.Offset];
      if (size <= COPY_BY_HAND) for (let i = 0; i < size; i++) bytes[filled + i] = pool[offset + i]!;
      else bytes.set(pool.subarray(offset, offset + size), filled);
      filled += size;
    }
    return bytes;
  }

  /**
   * Receives what waits for a handle, without a copy as long as it fills the memory of a chunk. A shorter piece is copied, so that the memory shows nothing
   * else and none of it is wasted; it is the last for now. Between two of them ticks and microtasks run, as between any two reads of one handle.
   */
  #takePieces(handle: StreamEvents): void {
    for (let left = coresRunTicks === undefined ? 1 : PIECES; left > 0 && handle.takesPieces; left--) {
      handle.batch = this.#batch;
      const room = (this.#room ??= Buffer.allocUnsafeSlow(READ_SIZE));
      const length = this.#receiveNowait(handle.id, room);
      if (length === 0) return;
      if (length < READ_SIZE) {
        handle.received(ownCopy(room, 0, length));
        return;
      }
      this.#room = undefined;
      this.#heap.note(length);
      handle.received(room);
      if (left === 1) return;
      this.runTicks();
      this.#batch++;
    }
  }

  /** The end of the run of datagrams of one handle that begins at `cursor`. */
  #run(words: Int32Array, cursor: number, count: number, id: number): number {
    let end = cursor + 1;
    for (let next = COMPLETIONS_START + end * RECORD_WORDS; end < count; next += RECORD_WORDS, end++) {
      const kind: Completion = words[next];
      if (kind !== Completion.Datagram || words[next + CompletionWord.Handle] !== id) break;
    }
    return end;
  }

  /** A completion that belongs to no handle. */
  #orphan(kind: Completion, result: number): void {
    if (kind === Completion.Accepted) this.#commands.write(Command.Close, result);
    else if (kind === Completion.RingFailed) {
      const error = new RingFailedError(result);
      publish('iouring-transport.ring.failed', () => ({ error }));
      throw error;
    }
  }
}
