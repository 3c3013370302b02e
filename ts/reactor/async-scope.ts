/**
 * The async context (`AsyncLocalStorage`, `async_hooks`, `domain`) that news of a handle or a request are told in: the one in which it was made. Core's
 * handles and requests do the same, under the same names.
 *
 * What a listener throws is reported before the context is left, as core reports it: `uncaughtException` finds the store of the request that has
 * failed, and an error the domain that it happened in.
 *
 * Measured on Node 20: 17 ns to make one, 12 ns to run something in it, so that nothing is gained by finding out first whether
 * anybody looks.
 */
import { AsyncResource } from 'node:async_hooks';
import { reportException } from './thread-reactor.ts';

/** Names of the resources, as core's handles and requests are called. */
export type ScopeType =
  | 'TCPWRAP'
  | 'PIPEWRAP'
  | 'TCPSERVERWRAP'
  | 'PIPESERVERWRAP'
  | 'TCPCONNECTWRAP'
  | 'PIPECONNECTWRAP'
  | 'SHUTDOWNWRAP'
  | 'WRITEWRAP'
  | 'UDPWRAP'
  | 'UDPSENDWRAP';

export class AsyncScope extends AsyncResource {
  /** The socket or server, by the name under which users of `async_hooks` find it with core's handles; requests have none. */
  owner: unknown = undefined;

  /**
   * Captures the context of the caller.
   *
   * @param cause async id of what has led to this, where that is not what runs
   */
  constructor(type: ScopeType, cause?: number) {
    // Destroyed by hand: leaving it to the garbage collector would cost a weak reference each where destroy hooks exist.
    super(type, cause === undefined ? BY_HAND : { requireManualDestroy: true, triggerAsyncId: cause });
  }

  /** Calls `body` on `receiver` in the context. What it throws is an uncaught exception, and the caller goes on. */
  run<Receiver, First, Second>(
    body: (this: Receiver, first: First, second: Second) => unknown,
    receiver: Receiver,
    first?: First,
    second?: Second,
  ): void {
    this.runInAsyncScope(callGuarded, receiver as never, body, first, second);
  }
}

const BY_HAND = { requireManualDestroy: true };

function callGuarded(this: never, body: Function, first: unknown, second: unknown): void {
  try {
    body.call(this, first, second);
  } catch (error) {
    reportException(error);
  }
}
