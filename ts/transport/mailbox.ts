/**
 * What comes for a worker's module. A module that is starting has no listeners yet: what comes then is kept, in order, until the module listens for its kind, as
 * with a `MessagePort`, or has started. So nothing is lost before a start function has got as far as to listen, and it can wait for a message itself.
 */
import type { EventEmitter } from 'node:events';
import { nextTick } from '../timers.ts';
import type { TransportWorker, WorkerEvents } from './worker.ts';

type Kind = keyof WorkerEvents;
type Hand = () => void;

export class Mailbox {
  readonly #worker: TransportWorker;
  /** Null from when the module has started, and has been handed all of it. */
  #early: Record<Kind, Hand[]> | null = { message: [], connection: [] };
  #hasStarted = false;
  /** Kinds of which the next is about to be handed over. */
  readonly #handing = new Set<Kind>();
  readonly #listening = (name: string): void => {
    if (name === 'message' || name === 'connection') this.#handNext(name);
  };

  constructor(worker: TransportWorker) {
    this.#worker = worker;
    (worker as EventEmitter).on('newListener', this.#listening);
  }

  /** Has `hand` called, which hands something over: at once, or when its time has come. */
  put(kind: Kind, hand: Hand): void {
    const early = this.#early?.[kind];
    if (early === undefined || (early.length === 0 && this.#worker.listenerCount(kind) > 0)) hand();
    else {
      early.push(hand);
      this.#handNext(kind);
    }
  }

  /** The module has started: nothing is kept any more, whether anybody listens or not. */
  open(): void {
    this.#hasStarted = true;
    this.#handNext('message');
    this.#handNext('connection');
  }

  /** In a turn of its own: what a listener throws is an uncaught exception, behind which it goes on if the thread does. */
  #handNext(kind: Kind): void {
    if (this.#early === null || this.#handing.has(kind)) return;
    this.#handing.add(kind);
    nextTick(() => {
      this.#handing.delete(kind);
      const early = this.#early;
      if (early === null || !(this.#hasStarted || this.#worker.listenerCount(kind) > 0)) return;
      const hand = early[kind].shift();
      if (early[kind].length > 0) this.#handNext(kind);
      else this.#endIfDone();
      hand?.();
    });
  }

  #endIfDone(): void {
    const { message, connection } = this.#early!;
    if (!this.#hasStarted || message.length > 0 || connection.length > 0) return;
    this.#early = null;
    (this.#worker as EventEmitter).off('newListener', this.#listening);
  }
}
