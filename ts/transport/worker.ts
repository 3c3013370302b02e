/** A thread's view of the transport: makes servers and clients, and closes them. */
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_STATE } from '../errors/core.ts';
import { TransportClosedError } from '../errors/iouring.ts';
import { describedEndpointException } from '../errors/system.ts';
import { getReactor, reactorStats, reactorTotals, type ReceivedBuffers, type Stats, type Totals } from '../reactor/index.ts';
import { selectSocketBackend } from '../socket-backend.ts';
import {
  socketSettings,
  type SocketSettings,
  type TcpClientOptions as TcpClientSocketOptions,
  type TcpServerOptions as TcpServerSocketOptions,
  type UnixSocketOptions,
} from '../socket-options.ts';
import {
  validateAbortSignal,
  validateBoolean,
  validateDelay,
  validateFunction,
  validateInt32,
  validateInteger,
  validateObject,
  validatePort,
  validateString,
} from '../validate.ts';
import { adoptOnCore, adoptOnRing } from './adopting.ts';
import { connectOnCore, connectOnRing, connectToAny, endpointsOf } from './connecting.ts';
import { Connection, optionsOf, preload } from './connection.ts';
import { validateBytes, validateConnectionOptions, type CloseOptions, type ConnectionOptions } from './connection-options.ts';
import { defaults } from './defaults.ts';
import type { TransportFile } from './file.ts';
import { openFile, type FileOptions } from './files.ts';
import { unlessAborted, withDeadline } from './giving-up.ts';
import { DatagramClient } from './datagram-client.ts';
import { DatagramServer } from './datagram-server.ts';
import { listenOnCore, listenOnRing } from './listening.ts';
import type { Home, TransferList } from './messages.ts';
import {
  openUdpClient,
  openUdpServer,
  openUnixClient,
  openUnixServer,
  type SettlePort,
  type UdpClientOptions,
  type UdpServerOptions,
  type UnixDatagramClientOptions,
  type UnixDatagramServerOptions,
} from './opening-datagrams.ts';
import type { DatagramSocket } from './datagram-socket.ts';
import { claim, makeParcel, unclaim, type Parcel } from './parcel.ts';
import { StreamServer } from './stream-server.ts';
import type { Endpoint, InternetEndpoint, TransportStream } from './stream.ts';

const NOTHING = Buffer.alloc(0);

/** What a TCP server is made with. Its connections get the options of {@link ConnectionOptions}. */
export interface TcpServerOptions extends ConnectionOptions {
  /** The port, 0 to 65535. Default: 0, one that is free. */
  readonly port?: number;
  /** The address or name to listen on. Default: `127.0.0.1`. */
  readonly host?: string;
  /** Connections that may wait to be accepted. Default: 511. */
  readonly backlog?: number;
  /**
   * Share the port with other sockets of this user that say so too; the kernel deals connections out. Default: true in the worker of a transport, where port 0 is
   * the same port in all of them; else false.
   */
  readonly reusePort?: boolean;
  /** Refuse IPv4 on an IPv6 address. Default: false. */
  readonly ipv6Only?: boolean;
  /** Options of the listener and its connections. Its `noDelay` and `reusePort` go before those above. */
  readonly transport?: TcpServerSocketOptions;
}

/** What a UNIX-domain server is made with. */
export interface UnixServerOptions extends ConnectionOptions {
  /** The path, which is removed when the server is closed; or an abstract name, which begins with a zero byte. */
  readonly path: string;
  /** Connections that may wait to be accepted. Default: 511. */
  readonly backlog?: number;
  /** Options of the listener and its connections. */
  readonly transport?: UnixSocketOptions;
}

/** What a TCP client is made with. */
export interface TcpClientOptions extends ConnectionOptions {
  /** The port, 1 to 65535. */
  readonly port: number;
  /** The address or name to connect to; of several addresses each is tried. Default: `127.0.0.1`. */
  readonly host?: string;
  /** How long connecting may take, with the look-up of the name, in milliseconds; 0: as long as the system lets it. Default: 0. */
  readonly connectTimeout?: number;
  /** Gives up with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Options of the socket. Its `noDelay` goes before that of {@link ConnectionOptions}. */
  readonly transport?: TcpClientSocketOptions;
}

/** What a UNIX-domain client is made with. */
export interface UnixClientOptions extends ConnectionOptions {
  /** The path, or an abstract name, which begins with a zero byte. */
  readonly path: string;
  /** How long connecting may take, with the look-up of the name, in milliseconds; 0: as long as the system lets it. Default: 0. */
  readonly connectTimeout?: number;
  /** Gives up with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Options of the socket. */
  readonly transport?: UnixSocketOptions;
}

/** Receive buffers of the thread's ring. None on core. */
export interface BufferCounts {
  /** Buffers that payloads and writes hold. */
  used(): number;
  /** Buffers that they do not. */
  available(): number;
}

/** What a server calls with each connection that it has taken. What it returns is not looked at. */
export type OnConnection = (connection: Connection) => unknown;

/** What a connection is made with of a descriptor. */
export interface AdoptOptions extends ConnectionOptions {
  /** The descriptor of a connected TCP or UNIX-domain socket, which belongs to the connection from then on. */
  readonly fd: number;
  /** What was received already: it is read first. */
  readonly received?: Uint8Array;
}

/** What a worker tells of. */
export interface WorkerEvents {
  /** A message of another worker, or of the transport (0). */
  message: [value: unknown, from: number];
  /** A connection that another worker has handed over. Where nobody listens none is taken. */
  connection: [connection: Connection, from: number];
}

/**
 * Has a worker take a connection in. `answer` is called with whether it has, before it tells of that.
 */
export let receive: (worker: TransportWorker, parcel: Parcel, from: number, answer: (isTaken: boolean) => void) => void;

/** Has a worker tell of a message. */
export let deliver: (worker: TransportWorker, value: unknown, from: number) => void;

/** Options of a connection whose `noDelay` is that of `transport`, where that says it. */
function withOwnNoDelay<Options extends TcpServerOptions | TcpClientOptions>(options: Options): Options {
  const noDelay = options.transport?.noDelay;
  return noDelay === undefined ? options : { ...options, noDelay };
}

/** What a thread makes its servers, clients and files with, and by which it talks to the other workers of its `Transport`. */
export class TransportWorker extends EventEmitter<WorkerEvents> implements AsyncDisposable {
  /** Number of the worker: 0 in a thread that no {@link Transport} has started. */
  readonly id: number;
  readonly #onRing = selectSocketBackend() === 'uring';
  readonly #servers = new Set<StreamServer | DatagramServer>();
  readonly #clients = new Set<Connection | DatagramClient>();
  readonly #files = new Set<TransportFile>();
  /** The transport that it belongs to. */
  readonly #home: Home | undefined;
  /** How many servers on any port there have been, by protocol and address. */
  readonly #anyPort = new Map<string, number>();
  #active = true;

  /** @internal */
  constructor(id: number, home?: Home) {
    super();
    this.id = id;
    this.#home = home;
  }

  static {
    deliver = (worker, value, from) => void worker.emit('message', value, from);
    receive = (worker, parcel, from, answer) => {
      const connection = worker.#unpack(parcel);
      answer(connection !== null);
      if (connection !== null) worker.emit('connection', connection, from);
    };
  }

  /** How many workers its transport has, numbered from 1 on; 0 where it has none, or there is no transport. */
  get workers(): number {
    return this.#home?.workers ?? 0;
  }

  /** Whether servers and clients can be made. */
  get active(): boolean {
    return this.#active;
  }

  /** What it runs on. */
  get backend(): 'uring' | 'core' {
    return this.#onRing ? 'uring' : 'core';
  }

  /** Makes servers. Each is listening when its promise is settled, which rejects with the system's error. */
  readonly servers = {
    /** A TCP server. */
    tcp: async (options: TcpServerOptions, listener: OnConnection): Promise<StreamServer> => {
      validateObject(options, 'options');
      const { tcpServer } = defaults;
      const { port = tcpServer.port, host = tcpServer.host, backlog = tcpServer.backlog } = options;
      const settings = socketSettings(options.transport, 'tcp server');
      const { reusePort = options.transport?.reusePort ?? this.id > 0, ipv6Only = tcpServer.ipv6Only } = options;
      validateString(host, 'options.host');
      validateInt32(backlog, 'options.backlog', 0);
      validateBoolean(reusePort, 'options.reusePort');
      validateBoolean(ipv6Only, 'options.ipv6Only');
      const [found] = await endpointsOf(host, validatePort(port, 'options.port'));
      const endpoint = reusePort ? await this.#settlePort('tcp', found as InternetEndpoint, ipv6Only) : found;
      return this.#serve({ endpoint, backlog, reusePort, ipv6Only, settings }, withOwnNoDelay(options), listener);
    },
    /** A server at a path. */
    unix: async (options: UnixServerOptions, listener: OnConnection): Promise<StreamServer> => {
      validateObject(options, 'options');
      const { path, backlog = defaults.unixServer.backlog } = options;
      validateString(path, 'options.path');
      validateInt32(backlog, 'options.backlog', 0);
      const settings = socketSettings(options.transport, 'unix');
      const target = { endpoint: { path }, backlog, reusePort: false, ipv6Only: false, settings };
      return this.#serve(target, { ...options, noDelay: false }, listener);
    },
    /** A UDP server. */
    udp: (options: UdpServerOptions = {}): Promise<DatagramServer> =>
      this.#open(async () => {
        const settlePort: SettlePort = (endpoint, ipv6Only) => this.#settlePort('udp', endpoint, ipv6Only);
        return new DatagramServer(await openUdpServer(options, this.#onRing, this.id > 0, settlePort));
      }, this.#servers),
    /** A server of UNIX-domain datagrams at a path. Core has none: `ERR_IOURING_UNAVAILABLE` there. */
    unixDatagram: (options: UnixDatagramServerOptions): Promise<DatagramServer> =>
      this.#open(() => new DatagramServer(openUnixServer(options, this.#onRing)), this.#servers),
    /** Those that are not closed. */
    [Symbol.iterator]: (): IterableIterator<StreamServer | DatagramServer> => this.#servers.values(),
  };

  /** Makes connections. */
  readonly clients = {
    /** A TCP connection. Rejects with the system's error or the signal's reason. */
    tcp: async (options: TcpClientOptions): Promise<Connection> => {
      validateObject(options, 'options');
      const { port, host = defaults.tcpClient.host, signal } = options;
      validateString(host, 'options.host');
      validateAbortSignal(signal, 'options.signal');
      const number = validatePort(port, 'options.port', false);
      const settings = socketSettings(options.transport, 'tcp client');
      return this.#connect(() => endpointsOf(host, number), settings, withOwnNoDelay(options));
    },
    /** A connection to a path. Likewise. */
    unix: async (options: UnixClientOptions): Promise<Connection> => {
      validateObject(options, 'options');
      const { path, signal } = options;
      validateString(path, 'options.path');
      validateAbortSignal(signal, 'options.signal');
      const settings = socketSettings(options.transport, 'unix');
      return this.#connect(() => Promise.resolve([{ path }]), settings, { ...options, noDelay: false });
    },
    /** A UDP client. Rejects with the system's error. */
    udp: (options: UdpClientOptions): Promise<DatagramClient> =>
      this.#open(async () => new DatagramClient(await openUdpClient(options, this.#onRing)), this.#clients),
    /** A client of UNIX-domain datagrams. Likewise; core has none: `ERR_IOURING_UNAVAILABLE` there. */
    unixDatagram: (options: UnixDatagramClientOptions): Promise<DatagramClient> =>
      this.#open(() => new DatagramClient(openUnixClient(options, this.#onRing)), this.#clients),
    /** A connection on a socket that is connected already. @throws the system's error; the descriptor stays the caller's then */
    adopt: (options: AdoptOptions): Connection => {
      validateObject(options, 'options');
      const { fd, received = NOTHING } = options;
      validateInt32(fd, 'options.fd', 0);
      validateBytes(received, 'options.received');
      validateConnectionOptions(options);
      this.#check();
      return this.#adopt(fd, received, options);
    },
    /**
     * A connection of a socket of `iouring-transport/net` (on core of `node:net`) that is connected, with what that has read and nobody has taken from it. What it has
     * been given to write is sent first; then the socket is destroyed, and the connection goes on.
     *
     * @throws core's `ERR_INVALID_ARG_TYPE`; its `ERR_INVALID_STATE` for a socket that TLS or something else reads and writes below, that has an encoding, or is of
     * another backend; {@link TransportClosedError} for one that is not connected, or has ended its sending half; what its last write fails with
     */
    from: async (socket: Socket, options: ConnectionOptions = {}): Promise<Connection> => {
      validateObject(options, 'options');
      validateConnectionOptions(options);
      this.#check();
      const { takeConnection } = await import('./sockets.ts');
      const { stream, received, ended } = await takeConnection(socket, this.#onRing);
      const connection = this.#enter(stream, options);
      preload(connection, received);
      if (ended) connection.onend(0);
      return connection;
    },
    /** Those that are not closed. */
    [Symbol.iterator]: (): IterableIterator<Connection | DatagramClient> => this.#clients.values(),
  };

  /** Opens files. */
  readonly files = {
    /**
     * Opens a file, as `open(2)`. Rejects with the system's error.
     *
     * @param path or a `file:` URL
     */
    open: async (path: string | URL, options: FileOptions = {}): Promise<TransportFile> => {
      this.#check();
      const file = await openFile(path, options, this.#onRing, (closed) => this.#files.delete(closed));
      this.#files.add(file);
      if (this.#active) return file;
      await file.close();
      throw new TransportClosedError('transport');
    },
    /** Those that are not closed. */
    [Symbol.iterator]: (): IterableIterator<TransportFile> => this.#files.values(),
  };

  /** The receive buffers. */
  readonly buffers: BufferCounts = {
    used: () => this.#pools().reduce((sum, { used }) => sum + used, 0),
    available: () => this.#pools().reduce((sum, { total, used }) => sum + total - used, 0),
  };

  /** What the thread's ring holds; all zero on core. */
  stats(): Stats {
    return reactorStats();
  }

  /** What the thread's ring has done so far; all zero on core. */
  totals(): Totals {
    return reactorTotals();
  }

  /**
   * Sends a message to another worker, whose 'message' tells of it, or to the transport. One to a worker that has ended is lost.
   *
   * @param id of the worker; 0 for the transport
   * @param transfer what of the value is handed over instead of cloned, as for `postMessage()`
   * @throws core's `ERR_OUT_OF_RANGE`, its `DataCloneError`, and `ERR_INVALID_STATE` where no transport has started this worker
   */
  send(id: number, value: unknown, transfer: TransferList = []): void {
    if (this.#home === undefined) throw new ERR_INVALID_STATE('The worker belongs to no transport');
    validateInteger(id, 'id', 0, this.#home.workers);
    this.#home.send(id, value, transfer);
  }

  /**
   * Hands a connection to another worker, with its options and with what it has received and nobody has asked for: 'connection' there tells of it. Here it is
   * closed from then on; what was written before is sent first.
   *
   * @param id of the worker
   * @returns a promise that is settled when the other worker has taken it
   * @throws {TransportClosedError} where the connection is closed, or the other worker has ended, or nobody there listens to 'connection': then it is closed.
   * @throws what {@link Connection.detach} throws; core's `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, and `ERR_INVALID_STATE` where no transport has started this
   * worker
   */
  async handOff(connection: Connection, id: number): Promise<void> {
    if (!(connection instanceof Connection)) throw new ERR_INVALID_ARG_TYPE('connection', 'Connection', connection);
    if (this.#home === undefined) throw new ERR_INVALID_STATE('The worker belongs to no transport');
    validateInteger(id, 'id', 1, this.#home.workers);
    const { fd, received } = await connection.detach();
    const isTaken = await this.#home.deliver(id, makeParcel(fd, received, optionsOf(connection)));
    if (!isTaken) throw new TransportClosedError('worker');
  }

  /** Closes all servers and clients, each in the way of {@link Connection.close}, then all files, and makes no new ones. */
  async shutdown(options: CloseOptions = {}): Promise<void> {
    validateObject(options, 'options');
    const { gracefulTimeout } = options;
    if (gracefulTimeout !== undefined) validateDelay(gracefulTimeout, 'options.gracefulTimeout');
    this.#active = false;
    await Promise.all([...this.#servers, ...this.#clients].map((one) => one.close(options)));
    await Promise.all([...this.#files].map((file) => file.close()));
  }

  /** {@link shutdown}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  /** Any port is to be the same one in all workers. */
  async #settlePort(protocol: 'tcp' | 'udp', endpoint: InternetEndpoint, ipv6Only: boolean): Promise<InternetEndpoint> {
    if (endpoint.port !== 0 || this.#home === undefined) return endpoint;
    const { address, family } = endpoint;
    const key = `${protocol} ${address}`;
    const index = this.#anyPort.get(key) ?? 0;
    this.#anyPort.set(key, index + 1);
    const port = await this.#home.reservePort({ protocol, address, family, ipv6Only, index });
    if (port < 0) throw describedEndpointException(port, protocol === 'tcp' ? 'listen' : 'bind', address, 0);
    return { ...endpoint, port };
  }

  #pools(): ReceivedBuffers[] {
    if (!this.#onRing) return [];
    const { received, receivedDatagrams } = getReactor();
    return [received, receivedDatagrams];
  }

  async #serve(
    target: Parameters<typeof listenOnRing>[0],
    options: ConnectionOptions,
    listener: OnConnection,
  ): Promise<StreamServer> {
    validateFunction(listener, 'listener');
    validateConnectionOptions(options);
    this.#check();
    const server = new StreamServer(listener, this.#onRing, options);
    await server.listen(target, this.#onRing ? listenOnRing : listenOnCore);
    this.#servers.add(server);
    void server.closed.then(() => this.#servers.delete(server));
    if (!this.#active) await server.close({ gracefulTimeout: 0 });
    return server;
  }

  async #connect(
    find: () => Promise<Endpoint[]>,
    settings: SocketSettings | undefined,
    options: TcpClientOptions | UnixClientOptions,
  ): Promise<Connection> {
    const { connectTimeout = 0, signal } = options;
    validateDelay(connectTimeout, 'options.connectTimeout');
    validateConnectionOptions(options);
    this.#check();
    const attempt = this.#onRing ? connectOnRing : connectOnCore;
    const stream = await withDeadline(connectTimeout, signal, async (giveUp) =>
      connectToAny(await unlessAborted(find(), giveUp), attempt, settings, giveUp),
    );
    return this.#enter(stream, options);
  }

  async #open<Socket extends DatagramSocket>(make: () => Socket | Promise<Socket>, sockets: Set<unknown>): Promise<Socket> {
    this.#check();
    const socket = await make();
    sockets.add(socket);
    void socket.closed.then(() => sockets.delete(socket));
    if (!this.#active) {
      await socket.close({ gracefulTimeout: 0 });
      this.#check();
    }
    return socket;
  }

  #adopt(fd: number, received: Uint8Array, options: ConnectionOptions): Connection {
    const adopt = this.#onRing ? adoptOnRing : adoptOnCore;
    const connection = this.#enter(adopt(fd), options);
    preload(connection, received);
    return connection;
  }

  /** Null where nobody wants the connection, or it cannot be had: the transport closes it then. */
  #unpack(parcel: Parcel): Connection | null {
    if (!this.#active || this.listenerCount('connection') === 0 || !claim(parcel)) return null;
    try {
      return this.#adopt(parcel.fd, parcel.received, parcel.options);
    } catch {
      unclaim(parcel);
      return null;
    }
  }

  #enter(stream: TransportStream, options: ConnectionOptions): Connection {
    if (!this.#active) {
      stream.reset();
      this.#check();
    }
    const connection = new Connection(stream, this.#onRing, options);
    this.#clients.add(connection);
    void connection.closed.then(() => this.#clients.delete(connection));
    return connection;
  }

  #check(): void {
    if (!this.#active) throw new TransportClosedError('transport');
  }
}
