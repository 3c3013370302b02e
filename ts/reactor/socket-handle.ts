/**
 * What sockets of all kinds have in common.
 *
 * Statuses are negative errnos, as libuv's; zero or more is success. Nothing here throws on an I/O error.
 */
import { EBADF } from '../errors/errno.ts';
import type { Handle } from './handle-table.ts';
import { Command, type Completion, Domain, SocketOption } from './protocol.ts';
import type { Endpoint as NativeEndpoint } from '../native-binding.ts';
import type { Reactor } from './reactor.ts';
import { getReactor } from './thread-reactor.ts';

/** An address as core prints it. Abstract UNIX names begin with a zero byte; an unnamed UNIX socket has an empty path. */
export type Endpoint = { readonly family: 4 | 6; readonly address: string; readonly port: number } | { readonly path: string };

/** Kinds of stream sockets. */
export type SocketKind = 'tcp4' | 'tcp6' | 'unix';

const DOMAINS: Readonly<Record<SocketKind, Domain>> = { tcp4: Domain.Ipv4, tcp6: Domain.Ipv6, unix: Domain.Unix };

/** The port that says "this is a path" to Rust. */
const NO_PORT = -1;

/** A reason for which a handle is active. */
export const enum Activity {
  Reading = 1,
  Writing = 2,
  Connecting = 4,
  ShuttingDown = 8,
  Listening = 16,
  /** Writes that are over for their caller, who is told of nothing but an error. */
  Confirming = 32,
}

/**
 * What keeps the process alive only where the handle has a reference. All else is a request, which holds until it ends. Writes that are being confirmed are
 * none, as those are none that libuv could make at once; Rust holds the process while the kernel has not taken their bytes.
 */
const REFERENCED_ALONE = Activity.Reading | Activity.Listening | Activity.Confirming;

/** What a handle does about news that its owner has not asked for. */
export function nothing(): void {}

export abstract class SocketHandle implements Handle {
  /** Whose handle this is; for the facade. */
  abstract readonly owner: unknown;
  /** The handle is closed, nothing will be reported any more. */
  onclose: () => void = nothing;
  readonly id: number;
  batch = 0;
  /** `close` was called. */
  closed = false;
  protected readonly reactor: Reactor;
  #activity = 0;
  #referenced = true;
  #held = false;

  protected constructor(reactor: Reactor, id: number) {
    this.reactor = reactor;
    this.id = id;
    reactor.handles.register(this);
  }

  /** What core calls such a handle of its own in `process.getActiveResourcesInfo()`, where it is not at a path. */
  abstract get resourceName(): string;

  /** Something else has happened. */
  abstract complete(kind: Completion, result: number): void;

  /** The descriptor's number, `-EBADF` after `close`. */
  fd(): number {
    return this.closed ? -EBADF : this.reactor.native.fd(this.id);
  }

  /**
   * `bind(2)`, for IP with `SO_REUSEADDR` as libuv does it: connections that linger do not keep a port occupied. A port that somebody listens at is
   * then an error of `listen`.
   */
  bind(endpoint: Endpoint): number {
    if ('path' in endpoint) return this.bindOnly(endpoint);
    const status = this.setOption(SocketOption.ReuseAddress, 1);
    return status < 0 ? status : this.bindOnly(endpoint);
  }

  /** `bind(2)` and nothing else. */
  bindOnly(endpoint: Endpoint): number {
    const { native } = this.reactor;
    return 'path' in endpoint
      ? native.bind(this.id, endpoint.path, NO_PORT)
      : native.bind(this.id, endpoint.address, endpoint.port);
  }

  /** `getsockname(2)`. */
  localEndpoint(): Endpoint | number {
    return toEndpoint(this.reactor.native.endpoint(this.id, false));
  }

  /** `setsockopt(2)`. */
  setOption(option: SocketOption, value: number): number {
    return this.reactor.native.setOption(this.id, option, value);
  }

  /** `getsockopt(2)`: the value, or `undefined` when it cannot be read. */
  getOption(option: SocketOption): number | undefined {
    return this.reactor.native.getOption(this.id, option) ?? undefined;
  }

  ref(): void {
    this.#referenced = true;
    this.#settle();
  }

  unref(): void {
    this.#referenced = false;
    this.#settle();
  }

  hasRef(): boolean {
    return this.#referenced;
  }

  /** Closes. `onclose` follows, once and later; before it what cannot be done any more is reported with `-ECANCELED`. */
  close(): void {
    if (this.closed) return;
    this.reactor.commands.write(Command.Close, this.id);
    this.closing();
  }

  /** Its close has been asked for. */
  protected closing(): void {
    this.closed = true;
    this.#settle();
  }

  protected begin(activity: Activity): void {
    const before = this.#activity;
    this.#activity = before | activity;
    if (before === 0 || !this.#referenced) this.#settle();
  }

  protected finish(activity: Activity): void {
    this.#activity &= ~activity;
    if (this.#activity === 0 || !this.#referenced) this.#settle();
  }

  protected isBusy(activity: Activity): boolean {
    return (this.#activity & activity) !== 0;
  }

  /** The handle is gone. */
  protected end(): void {
    this.#activity = 0;
    if (this.#held) {
      this.#held = false;
      this.reactor.unhold();
    }
    this.onclose();
  }

  /** Holds the process while there is a reason to, which is libuv's: a request under way and a handle that is closing are, referenced or not. */
  #settle(): void {
    const reasons = this.#referenced ? this.#activity : this.#activity & ~REFERENCED_ALONE;
    const hold = this.closed || reasons !== 0;
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.reactor.hold();
    else this.reactor.unhold();
  }
}

/** Opens a socket: the number of its handle, or a negative errno. */
export function openSocket(reactor: Reactor, kind: SocketKind, listener: boolean): number {
  return reactor.native.open(DOMAINS[kind], listener);
}

/** Starts connecting. */
export function connectSocket(reactor: Reactor, id: number, peer: Endpoint): number {
  const status =
    'path' in peer ? reactor.native.connect(id, peer.path, NO_PORT) : reactor.native.connect(id, peer.address, peer.port);
  reactor.commands.scheduleFlush();
  return status;
}

/** A second descriptor of what is open at `fd`, close-on-exec, which belongs to the caller; or a negative errno. */
export function duplicateDescriptor(fd: number): number {
  return getReactor().native.duplicate(fd);
}

export function toEndpoint(found: NativeEndpoint | number): Endpoint | number {
  if (typeof found === 'number') return found;
  const { family, address, port } = found;
  return family === 4 || family === 6 ? { family, address, port } : { path: address };
}
