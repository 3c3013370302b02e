/**
 * The command queue: what JavaScript wants done. Rust takes it once per tick (see `crates/binding/src/instance.rs`), so that all writes of a tick cost one
 * system call.
 */
import type { NativeReactor } from '../native-binding.ts';
import { setImmediate } from '../timers.ts';
import { COMMAND_CAPACITY, Command, CommandWord, Header, KIND_BITS, MAX_PIECE, RECORD_WORDS } from './protocol.ts';
import { COMMANDS_START, type SharedMemory } from './shared-memory.ts';

/** One more than the largest number of a word without a sign. */
export const WORD = 2 ** 32;

export class CommandQueue {
  readonly #native: NativeReactor;
  readonly #memory: SharedMemory;
  #words: Int32Array;
  /** Whether the driver comes round at the end of a tick by itself. */
  #flushes: boolean;
  #flushScheduled = false;
  #exiting = false;
  /** How often what was written has been taken up and what came of it been told: a command of an earlier round is with Rust. */
  round = 0;

  constructor(native: NativeReactor, memory: SharedMemory) {
    this.#native = native;
    this.#memory = memory;
    this.#words = memory.queues();
    this.#flushes = native.flushes;
  }

  /** The process exits. What was written in the last tick is sent, as it would have been by core; what is written from here on as well. */
  exit(): void {
    this.#exiting = true;
    this.#flushes = false;
    this.#native.flush();
  }

  /**
   * Writes a command; the meaning of the words depends on its kind. This is where numbers of JavaScript's become words of 32 bits.
   *
   * @param offset 0 to 2^53 - 1
   * @param length at most {@link MAX_PIECE}: what is longer takes several commands
   */
  write(kind: Command, handle: number, region = 0, offset = 0, length = 0, last = 0): void {
    if (length > MAX_PIECE) throw new RangeError(`A command cannot be about ${length} bytes`);
    let words = this.#words;
    let count = words[Header.Commands];
    // Not `===`: there is no count either where the memory was moved.
    if (!(count < COMMAND_CAPACITY)) {
      words = this.#makeRoom();
      count = words[Header.Commands];
    }
    const at = COMMANDS_START + count * RECORD_WORDS;
    // Storing takes a number modulo 2^32.
    words[at] = offset < WORD ? kind : kind + (Math.floor(offset / WORD) << KIND_BITS);
    words[at + CommandWord.Handle] = handle;
    words[at + CommandWord.Region] = region;
    words[at + CommandWord.Offset] = offset;
    words[at + CommandWord.Length] = length;
    words[at + CommandWord.Argument] = last;
    words[Header.Commands] = count + 1;
    if (!this.#flushes) this.scheduleFlush();
  }

  /**
   * Writes a command about bytes of a file.
   *
   * @param position -2^63 to 2^63 - 1 as a bigint, a safe integer as a number; negative for the file's own
   */
  writeTransfer(
    kind: Command,
    handle: number,
    region: number,
    offset: number,
    length: number,
    token: number,
    position: number | bigint,
  ): void {
    if (typeof position === 'number') {
      this.#further(position, Math.floor(position / WORD));
    } else {
      this.#further(Number(BigInt.asIntN(32, position)), Number(BigInt.asIntN(32, position >> 32n)));
    }
    this.write(kind, handle, region, offset, length, token);
  }

  /** Writes the command that sends a datagram; see `Command.SendDatagram` for the words. */
  writeDatagram(
    handle: number,
    region: number,
    offset: number,
    length: number,
    destination: number,
    packed: number,
    segment: number,
  ): void {
    this.#further(packed, segment);
    this.write(Command.SendDatagram, handle, region, offset, length, destination);
  }

  /** Writes the last words of the next command, before the others: `write` may hand the record over at once. */
  #further(first: number, second: number): void {
    let words = this.#words;
    if (!(words[Header.Commands] < COMMAND_CAPACITY)) words = this.#makeRoom();
    const at = COMMANDS_START + words[Header.Commands] * RECORD_WORDS;
    words[at + CommandWord.First] = first;
    words[at + CommandWord.Second] = second;
  }

  /** Has the commands taken up, where there is no room for more. */
  #makeRoom(): Int32Array {
    const words = (this.#words = this.#memory.queues());
    if (!(words[Header.Commands] < COMMAND_CAPACITY)) this.#native.flush();
    return words;
  }

  /** Hands over what was written so far: before somebody else may look for what comes of it. */
  offer(): void {
    if (this.#words[Header.Commands] !== 0) this.#native.flush();
  }

  /** For drivers that do not come round at the end of a tick by themselves. */
  scheduleFlush(): void {
    if (this.#exiting) return this.#native.flush();
    if (this.#flushes || this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#native.flush();
    });
  }
}
