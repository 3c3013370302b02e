/**
 * How long things take, on request: how long the kernel has operations, and how long dispatches keep the event loop.
 *
 * Rust takes the time when it puts a request into the submission queue and when it takes its first completion; what has been measured is fetched behind each
 * dispatch. As long as nobody asks, nothing is measured.
 */
import process from 'node:process';
import type { RecordableHistogram } from 'node:perf_hooks';
import type { Dispatcher } from './dispatch.ts';
import { getReactor } from './thread-reactor.ts';

/**
 * What the kernel does. `receive` and `accept` wait for a peer, `poll` for one that takes nothing, and `pause` for time to pass: they tell of the load, the others of
 * the kernel.
 */
export type OperationKind = 'accept' | 'connect' | 'receive' | 'poll' | 'pause' | 'send' | 'file' | 'close';

/** Taken before anybody can replace it: fake timers must not be measured. */
const { hrtime } = process;

const measuring = new Set<Latencies>();

/**
 * Measures from now on how long the operations of this thread take, until {@link Latencies.stop}. A measured operation costs some hundred nanoseconds more.
 *
 * @throws {IouringUnavailableError} where this thread can have no ring.
 */
export function measureLatencies(): Latencies {
  return new Latencies();
}

/** Histograms in nanoseconds, each of `node:perf_hooks`. */
export class Latencies implements Disposable {
  /** By kind of operation: from its place in the submission queue to its first completion. */
  readonly operations: Readonly<Record<OperationKind, RecordableHistogram>>;
  /** How long dispatches took: the callbacks of what one turn has brought. */
  readonly dispatches: RecordableHistogram;
  readonly #kinds: readonly OperationKind[];

  /** @internal {@link measureLatencies} makes them. */
  constructor() {
    const { createHistogram } = process.getBuiltinModule('node:perf_hooks');
    const reactor = getReactor();
    this.#kinds = reactor.native.latencyKinds as OperationKind[];
    this.operations = Object.fromEntries(this.#kinds.map((kind) => [kind, createHistogram()])) as Record<
      OperationKind,
      RecordableHistogram
    >;
    this.dispatches = createHistogram();
    if (measuring.size === 0) reactor.native.measureLatencies(true);
    measuring.add(this);
    reactor.observer = { observe };
  }

  /** Takes no more measurements. The histograms stay as they are. */
  stop(): void {
    if (!measuring.has(this)) return;
    collect();
    measuring.delete(this);
    if (measuring.size > 0) return;
    const reactor = getReactor();
    reactor.native.measureLatencies(false);
    reactor.observer = undefined;
  }

  /** {@link stop}, for `using`. */
  [Symbol.dispose](): void {
    this.stop();
  }

  /** @internal Takes pairs of a kind's place and nanoseconds in. */
  take(pairs: readonly number[]): void {
    for (let at = 0; at < pairs.length; at += 2) {
      this.operations[this.#kinds[pairs[at]]].record(Math.max(1, pairs[at + 1]));
    }
  }
}

function observe(dispatcher: Dispatcher): void {
  const begun = hrtime.bigint();
  try {
    dispatcher.dispatch();
  } finally {
    const taken = hrtime.bigint() - begun;
    for (const latencies of measuring) latencies.dispatches.record(taken);
    collect();
  }
}

function collect(): void {
  const pairs = getReactor().native.takeLatencies();
  for (const latencies of measuring) latencies.take(pairs);
}
