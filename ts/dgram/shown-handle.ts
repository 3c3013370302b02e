/**
 * What `socket._handle` is, with the members of core's handles that tell of a socket, and its substitute where child_process sends it to another process.
 */
import core from 'node:dgram';
import { EBADF } from '../errors/errno.ts';
import { tellEndpoint } from '../core/endpoint-info.ts';
import { kMakeSendable } from '../core/sent-away.ts';
import { duplicated, type CoreHandle } from '../core/handles.ts';
import { setImmediate } from '../timers.ts';
import { kState, type DgramSocket } from './state.ts';

export class ShownHandle {
  readonly #socket: DgramSocket;

  constructor(socket: DgramSocket) {
    this.#socket = socket;
  }

  /** The descriptor's number, negative before binding and after closing. */
  get fd(): number {
    return this.#socket[kState].handle?.fd() ?? -EBADF;
  }

  getAsyncId(): number {
    return this.#socket[kState].scope.asyncId();
  }

  /** Writes `{ address, family, port }` into `result`. @returns zero, or a negative errno */
  getsockname(result: object): number {
    return tellEndpoint(this.#socket[kState].handle?.localEndpoint(), result);
  }

  /** The same of the peer. */
  getpeername(result: object): number {
    return tellEndpoint(this.#socket[kState].handle?.peerEndpoint(), result);
  }

  getSendQueueSize(): number {
    return this.#socket.getSendQueueSize();
  }

  getSendQueueCount(): number {
    return this.#socket.getSendQueueCount();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  hasRef(): boolean {
    const { closed, referenced } = this.#socket[kState];
    return !closed && referenced;
  }

  recvStart(): number {
    this.#socket[kState].handle?.receiveStart();
    return 0;
  }

  recvStop(): number {
    this.#socket[kState].handle?.receiveStop();
    return 0;
  }

  /** Closes the descriptor without a word to the socket. */
  close(callback?: () => void): void {
    this.#socket[kState].handle?.close();
    if (callback !== undefined) setImmediate(() => callback.call(this));
  }

  [kMakeSendable](): CoreHandle | null {
    return makeSendable(this.#socket);
  }
}

/**
 * A handle of core's for the same socket, closed with it. Before there is a descriptor it has none, so that nobody can send it. Null for a socket that is
 * closed, and for a UNIX socket, which core knows nothing of.
 */
export function makeSendable(socket: DgramSocket): CoreHandle | null {
  const state = socket[kState];
  if (state.sibling !== null || state.closed || state.kind === 'unix_dgram') return state.sibling;
  const carrier = core.createSocket(state.kind);
  const { handle } = (carrier as unknown as Record<symbol, { handle: CoreDatagramHandle }>)[coreState()];
  if (state.handle === null) {
    carrier.close();
    return handle;
  }
  carrier.bind({ fd: duplicated(state.handle.fd()), exclusive: true });
  handle.recvStop();
  handle.unref();
  state.handle.share();
  return (state.sibling = handle);
}

interface CoreDatagramHandle extends CoreHandle {
  recvStop(): number;
}

let found: symbol | undefined;

/** Under which core's sockets have their state, and child_process looks for the handle. */
export function coreState(): symbol {
  if (found === undefined) {
    const anything = new Proxy(
      {},
      {
        get(_target, key) {
          if (typeof key === 'symbol') found = key;
          return { handle: null };
        },
      },
    );
    core.Socket.prototype.ref.call(anything as core.Socket);
  }
  return found!;
}
