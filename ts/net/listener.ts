/**
 * What a listening server stands on: a socket of the ring, or, where only core can have one, a server of core's.
 */
import { unlinkSync } from 'node:fs';
import core from 'node:net';
import { errnoException } from '../errors/system.ts';
import { AsyncScope, StreamHandle, type ListenHandle } from '../reactor/index.ts';
import { settingsOfConnections } from '../socket-options.ts';
import { makeClosedHandle, makeCoreHandle, takeFromCore, type CoreHandle } from '../core/handles.ts';
import { tellEndpoint } from '../core/endpoint-info.ts';
import { define } from '../define.ts';
import { kConnectionTransport, kTransport } from './internals.ts';
import { connectionParts } from './connection-parts.ts';
import { ServerHandle, type Listening } from './server-handle.ts';
import { kListener, kOverLibuv, type NetServer } from './server-internals.ts';

/** Where connections come from. */
export interface Listener {
  /** Whether it listens already: core's, in a cluster worker, has to wait for the primary. */
  readonly listening: boolean;
  /** Whether it sees to the server's 'close' by itself. */
  readonly announcesClose: boolean;
  /** Stops taking connections. The port or path is free again when this returns. */
  close(): void;
  /** Sets whether this keeps the process alive. */
  reference(wanted: boolean): void;
  /** `{ address, family, port }`, a path, or null where it has none. */
  address(server: NetServer): core.AddressInfo | string | null;
  /** What `server._handle` is. */
  shownHandle(): object | null;
  /** The same for child_process, which sends it to another process: a handle of core's. */
  makeSendable(): CoreHandle | null;
}

/** One that is told to listen by `server._listen2()`. */
export interface BoundListener extends Listener {
  /** @returns zero, or a negative errno */
  listen(backlog: number): number;
}

/** A listening socket of the ring. */
export class RingListener implements BoundListener, Listening {
  readonly #handle: ListenHandle;
  readonly listening = true;
  readonly announcesClose = false;
  readonly #server: NetServer;
  readonly #scope: AsyncScope;
  readonly #unix: boolean;
  /** A handle of core's for the same socket, which is closed with it: the primary's, or one that child_process sends. */
  #sibling: CoreHandle | null;
  #shown: ServerHandle | null = null;
  /** Connections that the closed server is yet to be told of, and counts already: its 'close' waits for them. */
  #late = 0;

  /**
   * @param handle bound, not listening yet
   * @param sibling a handle of core's for the same socket, which is closed with it
   */
  constructor(server: NetServer, handle: ListenHandle, sibling: CoreHandle | null = null) {
    this.#handle = handle;
    this.#server = server;
    this.#sibling = sibling;
    this.#unix = boundPath(handle) !== null;
    server[kConnectionTransport] = settingsOfConnections(server[kTransport], this.#unix);
    this.#scope = new AsyncScope(this.#unix ? 'PIPESERVERWRAP' : 'TCPSERVERWRAP');
    this.#scope.owner = server;
    handle.owner = server;
    handle.onaccept = (peer) => this.#accepted(peer);
    handle.onaccepterror = (status) => this.#scope.run(this.#acceptFailed, this, status);
  }

  #accepted(peer: StreamHandle): void {
    if (this.#shown === null) this.#welcome(peer);
    else this.#scope.run(this.#passOrWelcome, this, this.#shown, peer);
    if (this.#late > 0) this.#settleLate();
  }

  #settleLate(): void {
    this.#server._connections--;
    this.#server._emitCloseIfDrained();
    if (--this.#late === 0) this.#scope.emitDestroy();
  }

  /** The handle behind a server of ours, which another one can take over: `listen(otherServer)`; null where there is none of the ring's. */
  static handleOf(listener: Listener | null | undefined): ListenHandle | null {
    return listener instanceof RingListener ? listener.#handle : null;
  }

  /** The connection's own context is the event loop's, not the listener's, in which the listener is called. */
  #welcome(peer: StreamHandle): void {
    const { acceptConnection, acceptForLibuv, Link } = connectionParts();
    if (this.#server[kOverLibuv]) {
      acceptForLibuv(this.#server, peer, this.#unix, this.#scope, this.#late);
      return;
    }
    const link = new Link(this.#unix, this.#scope.asyncId());
    link.attach(peer);
    if (this.#late === 0) this.#scope.run(acceptConnection, undefined, this.#server, link);
    else this.#scope.run(() => acceptConnection(this.#server, link, this.#late), undefined);
  }

  #passOrWelcome(shown: ServerHandle, peer: StreamHandle): void {
    if (shown.pass(0, peer.fd())) peer.close();
    else this.#welcome(peer);
  }

  #acceptFailed(status: number): void {
    if (this.#shown?.pass(status, -1) !== true) this.accept(status);
  }

  accept(status: number, client?: CoreHandle): void {
    if (client !== undefined) this.#setOptions(client);
    const peer = client === undefined ? status : takeFromCore(client, (fd) => StreamHandle.adopt(fd, true));
    if (typeof peer === 'object') this.#welcome(peer);
    else if (peer < 0) this.#server.emit('error', errnoException(peer, 'accept'));
  }

  /** Who has passed the handle on may listen for what it is told. */
  #setOptions(client: CoreHandle): void {
    const { noDelay, keepAlive, keepAliveInitialDelay } = this.#server;
    if (noDelay) client.setNoDelay?.(true);
    if (keepAlive) client.setKeepAlive?.(true, keepAliveInitialDelay);
  }

  listen(backlog: number): number {
    return this.#handle.listen(backlog);
  }

  close(): void {
    releasePath(this.#handle);
    const late = this.#handle.close();
    this.#sibling?.close();
    // Another server that has taken the handle over takes them.
    if (this.#handle.owner === this.#server) this.#late = late;
    this.#server._connections += this.#late;
    if (this.#late === 0) this.#scope.emitDestroy();
  }

  shownHandle(): ServerHandle {
    return (this.#shown ??= new ServerHandle(this, this.#handle, this.#scope.asyncId()));
  }

  makeSendable(): CoreHandle {
    if (this.#handle.closed) return makeClosedHandle();
    this.#handle.shared = true;
    return (this.#sibling ??= makeCoreHandle(this.#handle.fd()));
  }

  reference(wanted: boolean): void {
    if (wanted) this.#handle.ref();
    else this.#handle.unref();
  }

  address(server: NetServer): core.AddressInfo | string | null {
    if (this.#unix) return server._pipeName ?? null;
    const name = {} as core.AddressInfo;
    // As with core it is `server._handle` that is asked, which somebody may have changed.
    const status = this.#shown === null ? tellEndpoint(this.#handle.localEndpoint(), name) : this.#shown.getsockname(name);
    if (status < 0) throw errnoException(status, 'address');
    return name;
  }
}

/** Paths that were made by binding here, and go when the handle is closed. */
const ownedPaths = new WeakMap<ListenHandle, string>();

/** Notes that `path` belongs to `handle`. Abstract names vanish by themselves. */
export function ownPath(handle: ListenHandle, path: string): void {
  if (!path.startsWith('\0')) ownedPaths.set(handle, path);
}

/** Removes the path that `handle` was bound to, if it made it. */
function releasePath(handle: ListenHandle): void {
  const path = ownedPaths.get(handle);
  if (path === undefined) return;
  ownedPaths.delete(handle);
  try {
    unlinkSync(path);
  } catch {
    // Somebody was quicker.
  }
}

function boundPath(handle: ListenHandle): string | null {
  const endpoint = handle.localEndpoint();
  return typeof endpoint === 'object' && 'path' in endpoint ? endpoint.path : null;
}

/** A server of core's behind ours, for handles of core's. Connections are core's sockets then. */
export class CoreListener implements Listener {
  readonly announcesClose = true;
  readonly #server: core.Server;

  constructor(server: NetServer) {
    const inner = new core.Server({
      allowHalfOpen: server.allowHalfOpen,
      pauseOnConnect: server.pauseOnConnect,
      noDelay: server.noDelay,
      keepAlive: server.keepAlive,
      keepAliveInitialDelay: server.keepAliveInitialDelay * 1000,
      highWaterMark: server.highWaterMark,
    });
    for (const name of ['maxConnections', 'dropMaxConnection'] as const) {
      define(inner, name, { get: () => server[name], set() {}, configurable: true });
    }
    define(server, '_connections', {
      get: () => (inner as unknown as NetServer)._connections,
      set() {},
      configurable: true,
    });
    inner.on('connection', (socket) => {
      (socket as unknown as { server: unknown }).server = server;
      server.emit('connection', socket);
    });
    for (const name of ['listening', 'drop', 'close'] as const) inner.on(name, (...args: any[]) => server.emit(name, ...args));
    inner.on('error', (error) => {
      if (!inner.listening && server[kListener] === this) server[kListener] = null;
      server.emit('error', error);
    });
    this.#server = inner;
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Takes the arguments of `server.listen()`, without its callback. */
  listen(args: readonly unknown[]): void {
    Reflect.apply(this.#server.listen, this.#server, args);
  }

  close(): void {
    this.#server.close();
  }

  reference(wanted: boolean): void {
    if (wanted) this.#server.ref();
    else this.#server.unref();
  }

  address(): core.AddressInfo | string | null {
    return this.#server.address();
  }

  shownHandle(): object | null {
    return (this.#server as unknown as { _handle: CoreHandle | null })._handle;
  }

  makeSendable(): CoreHandle | null {
    return (this.#server as unknown as { _handle: CoreHandle | null })._handle;
  }
}
