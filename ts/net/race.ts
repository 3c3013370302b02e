/**
 * A host with several addresses: one attempt after the other, each given a short time alone, the first that answers wins
 * ("happy eyeballs").
 */
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { AttemptsError, ERR_IP_BLOCKED, ERR_SOCKET_CONNECTION_TIMEOUT } from '../errors/core.ts';
import { AsyncScope, type StreamHandle } from '../reactor/index.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import { connected, whenConnected } from './attempt.ts';
import { kLink, type NetSocket } from './internals.ts';
import type { Link } from './link.ts';
import { noteConnect, type ConnectMark } from './perf-entries.ts';
import { prepare, Refusal } from './prepare.ts';
import { answeredError, blocked, immediateError, isImmediate, toEndpoint, type Target } from './target.ts';

const { ECANCELED, EINVAL, ETIMEDOUT } = constants.errno;

/** Tries the targets in order, the next one when an attempt fails or has taken `timeout` ms. */
export function raceTo(socket: NetSocket, targets: readonly Target[], timeout: number): void {
  socket.autoSelectFamilyAttemptedAddresses = [];
  new Race(socket, targets, timeout).next();
}

class Race {
  readonly #socket: NetSocket;
  readonly #link: Link;
  readonly #targets: readonly Target[];
  readonly #timeout: number;
  readonly #errors: Error[] = [];
  #tried = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: NetSocket, targets: readonly Target[], timeout: number) {
    this.#socket = socket;
    this.#link = socket[kLink]!;
    this.#targets = targets;
    this.#timeout = timeout;
  }

  /** Starts attempts until one is under way, or gives up. */
  next(): void {
    clearTimeout(this.#timer);
    while (!this.#over) {
      const target = this.#targets[this.#tried++];
      if (target === undefined) {
        this.#giveUp();
        return;
      }
      if (this.#start(target)) return;
    }
  }

  /** Destroyed, perhaps by its AbortSignal, or on with another connection. */
  get #over(): boolean {
    return this.#link.stale || !this.#socket.connecting;
  }

  /** @returns whether the attempt is in flight, or all is over */
  #start(target: Target): boolean {
    const socket = this.#socket;
    if (blocked(socket, target)) return this.#failed(target, new ERR_IP_BLOCKED(target.address));
    // In place of the last one's.
    this.#link.handle?.close();
    this.#link.handle = null;
    const handle = prepare(socket, this.#link, target);
    if (handle instanceof Refusal) {
      if (handle.always) socket.destroy(handle.error);
      else this.#errors.push(handle.error);
      return handle.always;
    }

    socket.emit('connectionAttempt', target.address, target.port!, target.family!);
    if (this.#over) return false;
    socket.autoSelectFamilyAttemptedAddresses.push(`${target.address}:${target.port}`);
    if (typeof handle === 'number') return this.#failed(target, immediateError(handle, target));

    if (isIP(target.address) !== target.family) return this.#failed(target, immediateError(-EINVAL, target));

    const mark = noteConnect(target);
    const scope = new AsyncScope('TCPCONNECTWRAP');
    const status = handle.connect(toEndpoint(target));
    if (status < 0) return this.#failed(target, immediateError(status, target, handle));
    whenConnected(handle, scope, (outcome) => this.#settle(handle, target, outcome, mark));
    if (this.#tried < this.#targets.length) {
      this.#timer = setTimeout(() => this.#takesTooLong(handle, target), this.#timeout).ref();
    }
    return true;
  }

  #failed(target: Target, error: Error): false {
    this.#errors.push(error);
    this.#socket.emit('connectionAttemptFailed', target.address, target.port!, target.family!, error);
    return false;
  }

  #settle(handle: StreamHandle, target: Target, status: number, mark: ConnectMark): void {
    if (this.#link.handle !== handle) return; // Its time was over: another attempt, or nobody, has taken its place.
    clearTimeout(this.#timer);
    if (status === 0) {
      if (!this.#over) connected(this.#socket, this.#link, mark);
      return;
    }
    this.#failed(
      target,
      isImmediate(status, target, handle) ? immediateError(status, target, handle) : answeredError(status, target),
    );
    if (!this.#socket.connecting) return;
    if (status === -ECANCELED) this.#giveUp();
    else this.next();
  }

  #takesTooLong(handle: StreamHandle, target: Target): void {
    this.#socket.emit('connectionAttemptTimeout', target.address, target.port!, target.family!);
    this.#errors.push(answeredError(-ETIMEDOUT, target));
    if (this.#link.handle === handle) {
      handle.close();
      this.#link.handle = null;
    }
    if (this.#socket.connecting) this.next();
  }

  #giveUp(): void {
    this.#socket.destroy(this.#errors.length === 0 ? new ERR_SOCKET_CONNECTION_TIMEOUT() : new AttemptsError(this.#errors));
  }
}
