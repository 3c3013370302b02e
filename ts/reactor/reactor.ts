/**
 * The TypeScript end of the reactor: commands go one way, completions come the other, and what waits for them keeps the process alive.
 */
import type { NativeBinding, NativeReactor } from '../native-binding.ts';
import { CommandQueue } from './command-queue.ts';
import { Dispatcher } from './dispatch.ts';
import { FileRequests } from './file-requests.ts';
import { HandleTable } from './handle-table.ts';
import { driverOf, fromNative, tracedBy, type ReactorOptions, type ReactorSettings, toNative } from './options.ts';
import { whenProcessEnds } from './process-end.ts';
import { Command, DATAGRAM_BUFFERS } from './protocol.ts';
import { ReadBudget } from './read-budget.ts';
import { ReceivedBuffers } from './received-buffers.ts';
import { SharedMemory } from './shared-memory.ts';
import { WriteMemory } from './write-memory.ts';

/** What a reactor holds. Everything but `turns` is zero when all handles have been closed. */
export interface Stats {
  /** Handles open or closing. */
  readonly handles: number;
  /** Operations in flight in the kernel. */
  readonly operations: number;
  /** Receive buffers lent and not given back. */
  readonly buffersLent: number;
  /** Streams waiting for a receive buffer. */
  readonly starved: number;
  /** Requests waiting for room in the submission queue. */
  readonly backlog: number;
  /** File operations waiting to be handed to the kernel. */
  readonly waiting: number;
  /** Bounce buffers in use by reads and writes of files. */
  readonly bounces: number;
  /** Pieces of the write arena in use. */
  readonly arena: number;
  /** User buffers lent to writes in flight. */
  readonly views: number;
  /** Turns of the reactor so far. */
  readonly turns: number;
}

/** What a reactor has done since it was made. Numbers never go down; bytes are payloads alone. */
export interface Totals {
  /** Turns: rounds of handing requests over and taking completions. */
  readonly turns: number;
  /** Calls of `io_uring_enter(2)`. */
  readonly enters: number;
  /** Requests put into the submission queue. */
  readonly submissions: number;
  /** Completions taken from the completion queue. */
  readonly completions: number;
  /** Most completions that were taken at once. */
  readonly largestBatch: number;
  /** How often the kernel took nothing more because its completion queue had overflowed. Nothing is lost by that, but it costs time. */
  readonly overflows: number;
  /** How often a socket had nowhere to receive, since all receive buffers were in use. */
  readonly exhaustions: number;
  /** Bytes that sockets have received. */
  readonly bytesReceived: number;
  /** Bytes that the kernel has taken from sockets. */
  readonly bytesSent: number;
  /** Bytes read from files. */
  readonly bytesRead: number;
  /** Bytes written to files. */
  readonly bytesWritten: number;
}

export class Reactor {
  readonly native: NativeReactor;
  readonly readNowait: NativeReactor['readNowait'];
  readonly readManyNowait: NativeReactor['readManyNowait'];
  readonly sendNowait: NativeReactor['sendNowait'];
  readonly receiveNowait: NativeReactor['receiveNowait'];
  readonly shared: SharedMemory;
  readonly commands: CommandQueue;
  /** Who holds which receive buffer, of streams and of datagrams. */
  readonly received: ReceivedBuffers;
  readonly receivedDatagrams: ReceivedBuffers;
  /** The bytes of writes. */
  readonly memory: WriteMemory;
  readonly handles = new HandleTable();
  /** Who waits for which file operation. */
  readonly files = new FileRequests(this);
  readonly readBudget = new ReadBudget();
  readonly dispatcher: Dispatcher;
  /** Who sees to each dispatch, where somebody wants to know how long things take. */
  observer: { observe(dispatcher: Dispatcher): void } | undefined;
  /** Takes back that it is told of the end of the process. */
  readonly #outlive: () => void;
  readonly #traced: boolean;
  #holds = 0;

  /** @param binding has no reactor yet */
  constructor(
    readonly binding: NativeBinding,
    options: ReactorOptions,
  ) {
    this.native = new binding.NativeReactor(() => this.#dispatch(), driverOf(options) === 'waiter', toNative(options));
    this.#traced = tracedBy(options);
    this.readNowait = this.native.readNowait;
    this.readManyNowait = this.native.readManyNowait;
    this.sendNowait = this.native.sendNowait;
    this.receiveNowait = this.native.receiveNowait;
    this.shared = new SharedMemory(this.native);
    this.commands = new CommandQueue(this.native, this.shared);
    this.received = new ReceivedBuffers(
      this.native.receiveBuffers,
      () => this.shared.receiveBuffers(),
      (buffer, slices) => this.commands.write(Command.Release, buffer, slices),
    );
    this.receivedDatagrams = new ReceivedBuffers(
      DATAGRAM_BUFFERS,
      () => this.shared.datagramBuffers(),
      (buffer, slices) => this.commands.write(Command.ReleaseDatagram, buffer, slices),
    );
    this.memory = new WriteMemory(this.native, this.received);
    this.dispatcher = new Dispatcher(this, options.turnTime);
    // What was written in the last tick is sent, as it would have been by core; what is written from here on as well.
    this.#outlive = whenProcessEnds(() => this.commands.exit());
  }

  #dispatch(): void {
    if (this.observer === undefined) this.dispatcher.dispatch();
    else this.observer.observe(this.dispatcher);
  }

  /** Whether anything of it is open, under way or lent, or anybody looks on. */
  inUse(): boolean {
    const { turns: _, ...held } = this.stats();
    return this.#holds > 0 || this.observer !== undefined || Object.values(held).some((count) => count > 0);
  }

  /** Ends it, where it is not in use. */
  end(): void {
    this.#outlive();
    this.native.end();
  }

  /** Keeps the process alive, once more. */
  hold(): void {
    if (this.#holds++ === 0) this.native.hold(true);
  }

  /** Takes one {@link hold} back. */
  unhold(): void {
    if (--this.#holds === 0) this.native.hold(false);
  }

  get settings(): ReactorSettings {
    return { ...fromNative(this.native.settings), trace: this.#traced };
  }

  stats(): Stats {
    const { handles, operations, buffersLent, starved, backlog, waiting, bounces, turns } = this.native.stats();
    const [arena, views] = [this.memory.arena.inUse, this.memory.lentViews];
    return { handles, operations, buffersLent, starved, backlog, waiting, bounces, arena, views, turns };
  }

  totals(): Totals {
    const { turns, enters, submissions, completions, largestBatch, overflows, exhaustions, ...rest } = this.native.stats();
    const { bytesReceived, bytesSent, bytesRead, bytesWritten } = rest;
    const counts = { turns, enters, submissions, completions, largestBatch, overflows, exhaustions };
    return { ...counts, bytesReceived, bytesSent, bytesRead, bytesWritten };
  }
}
