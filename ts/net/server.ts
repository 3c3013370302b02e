/**
 * `net.Server`: takes connections and hands them out as sockets.
 */
import { EventEmitter } from 'node:events';
import core from 'node:net';
import { getDefaultHighWaterMark } from 'node:stream';
import { promisify } from 'node:util';
import { ERR_INVALID_ARG_TYPE, ERR_SERVER_NOT_RUNNING } from '../errors/core.ts';
import { validateNumber } from '../validate.ts';
import { isOwn, standInFor } from '../core/stand-in.ts';
import { isBlockList, toSeconds } from './arguments.ts';
import { listen, startListening } from './listen.ts';
import { isSentAway, watchSenders } from '../core/sent-away.ts';
import { define, defineAll } from '../define.ts';
import { showActiveHandles } from '../reactor/index.ts';
import { kTransport } from './internals.ts';
import { kListener, type NetServer, type WorkerSockets } from './server-internals.ts';
import { socketSettings, type TcpServerOptions } from '../socket-options.ts';
import { nextTick } from '../timers.ts';

/** What the constructor takes beyond what core's typings tell. */
export interface ServerOptions extends core.ServerOpts {
  /** Addresses whose connections are closed at once. None without it. */
  blockList?: core.BlockList;
  /** Socket options that core has no name for, of the listener and its connections. Without it the system's. */
  transport?: TcpServerOptions;
}

type ConnectionListener = (socket: core.Socket) => void;

/** Core's class with more options. */
export type ServerConstructor = typeof core.Server & {
  new (options?: ServerOptions | ConnectionListener, listener?: ConnectionListener): core.Server;
};

type Done = (error?: Error) => void;

const Base = EventEmitter as unknown as new () => NetServer;

/** The members. There is no `super` in here: see socket.ts. */
class ServerMembers extends Base {
  override listen(...args: any[]): this {
    listen(this, args);
    return this;
  }

  override _listen2(...args: Parameters<NetServer['_listen2']>): void {
    startListening(this, ...args);
  }

  override close(callback?: Done): this {
    this._listeningId++;
    const listener = this[kListener];
    if (typeof callback === 'function') {
      if (listener?.listening) this.once('close', callback);
      else this.once('close', () => callback(new ERR_SERVER_NOT_RUNNING()));
    }
    this[kListener] = null;
    listener?.close();
    if (listener?.announcesClose !== true) closeWorkers(this);
    return this;
  }

  override _emitCloseIfDrained(): void {
    if (this[kListener] === null && this._connections === 0) nextTick(emitClose, this);
  }

  override address(): core.AddressInfo | string | null {
    return this[kListener]?.address(this) ?? this._pipeName ?? null;
  }

  override getConnections(callback: (error: Error | null, count: number) => void): this {
    countConnections(this, (error, count) => nextTick(callback, error, count));
    return this;
  }

  override ref(): this {
    this._unref = false;
    this[kListener]?.reference(true);
    return this;
  }

  override unref(): this {
    this._unref = true;
    this[kListener]?.reference(false);
    return this;
  }

  /** Core's child_process says here that a child holds connections of this server. */
  _setupWorker(sockets: WorkerSockets): void {
    this._usingWorkers = true;
    this._workers.push(sockets);
    sockets.once('exit', (gone) => {
      this._workers.splice(this._workers.indexOf(gone), 1);
    });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    if (this[kListener] !== null) await promisify((done: Done) => this.close(done))();
  }

  /** A listener's promise was rejected, with `captureRejections`. */
  [Symbol.for('nodejs.rejection')](error: Error, event: string | symbol, ...args: unknown[]): void {
    if (event === 'connection') (args[0] as core.Socket).destroy(error);
    else this.emit('error', error);
  }
}

defineAll(ServerMembers.prototype, {
  listening: {
    get(this: NetServer) {
      return this[kListener]?.listening === true;
    },
    configurable: true,
    enumerable: true,
  },
  _handle: { get: shownHandle, set: giveHandleAway, configurable: true },
  // As the socket's link.
  [kListener]: { value: null, writable: true },
});

function shownHandle(this: NetServer): object | null {
  const listener = this[kListener];
  if (listener === null) return null;
  return isSentAway(shownHandle) ? listener.makeSendable() : listener.shownHandle();
}

/** Who sets it to null has taken the handle, and connections with it: the server does not listen any more, the socket does. */
function giveHandleAway(this: NetServer, value: unknown): void {
  if (value === null) this[kListener] = null;
}

/** Lets go of the connections that child processes hold. */
function closeWorkers(server: NetServer): void {
  if (!server._usingWorkers) {
    server._emitCloseIfDrained();
    return;
  }
  let left = server._workers.length;
  // Counts as a connection, so that 'close' waits for the workers' answers.
  server._connections++;
  for (const worker of server._workers) {
    worker.close(() => {
      if (--left > 0) return;
      server._connections = 0;
      server._emitCloseIfDrained();
    });
  }
}

function countConnections(server: NetServer, done: (error: Error | null, count?: number) => void): void {
  let total = server._connections;
  let left = server._workers.length;
  if (!server._usingWorkers) {
    done(null, total);
    return;
  }
  for (const worker of server._workers) {
    worker.getConnections((error, count) => {
      if (left <= 0) return;
      total += count;
      left = error ? 0 : left - 1;
      if (error) done(error);
      else if (left === 0) done(null, total);
    });
  }
}

function emitClose(server: NetServer): void {
  server.emit('close');
}

function checkOptions(given: unknown): ServerOptions {
  if (given != null && typeof given !== 'object') throw new ERR_INVALID_ARG_TYPE('options', 'Object', given);
  const options = { ...given } as ServerOptions & { highWaterMark?: number };
  if (options.keepAliveInitialDelay !== undefined) {
    validateNumber(options.keepAliveInitialDelay, 'options.keepAliveInitialDelay');
    options.keepAliveInitialDelay = Math.max(options.keepAliveInitialDelay, 0);
  }
  if (options.highWaterMark !== undefined) {
    validateNumber(options.highWaterMark, 'options.highWaterMark');
    if (options.highWaterMark < 0) options.highWaterMark = getDefaultHighWaterMark(false);
  }
  if (options.blockList && !isBlockList(options.blockList)) {
    throw new ERR_INVALID_ARG_TYPE('options.blockList', 'net.BlockList', options.blockList);
  }
  return options;
}

/** See the head of this file; typed as core's class, with the additions of newer Node versions. */
const ServerClass = function Server(
  this: NetServer | undefined,
  given?: ServerOptions | ConnectionListener,
  listener?: ConnectionListener,
): unknown {
  if (!isOwn(ServerMembers.prototype, this)) return new ServerClass(given as ServerOptions, listener);
  const server = this!;
  EventEmitter.call(server as never);
  const onConnection = typeof given === 'function' ? given : listener;
  const options = checkOptions(typeof given === 'function' ? {} : given);
  if (typeof onConnection === 'function') server.on('connection', onConnection);

  server[kListener] = null;
  server._connections = 0;
  server._usingWorkers = false;
  server._workers = [];
  server._unref = false;
  server._listeningId = 1;
  server.allowHalfOpen = options.allowHalfOpen || false;
  server.pauseOnConnect = Boolean(options.pauseOnConnect);
  server.noDelay = Boolean(options.noDelay);
  server.keepAlive = Boolean(options.keepAlive);
  server.keepAliveInitialDelay = toSeconds(options.keepAliveInitialDelay);
  server.highWaterMark = (options as { highWaterMark?: number }).highWaterMark ?? getDefaultHighWaterMark(false);
  if (options.blockList) server.blockList = options.blockList;
  if (options.transport !== undefined) server[kTransport] = socketSettings(options.transport, 'tcp server');
  return undefined;
} as unknown as ServerConstructor;
define(ServerClass, 'length', { value: 2 });
standInFor(core.Server, ServerClass, ServerMembers);

// Connections need these, too, but are loaded later (`connections.ts`): a child may be started before, and a server be asked about.
watchSenders();
showActiveHandles();
export { ServerClass as Server };
