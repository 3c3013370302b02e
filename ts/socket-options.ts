/**
 * Socket options that core has no name for: `transport: { … }` among the options of sockets and servers.
 *
 * They are set on a descriptor before it is bound or connected. What the kernel refuses is an error that names the option: nothing is left out in silence.
 */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { SocketOption } from './reactor/protocol.ts';
import { ERR_INVALID_ARG_VALUE } from './errors/core.ts';
import { errnoException, type SystemCallError } from './errors/system.ts';
import { validateBoolean, validateInteger, validateObject, validateString } from './validate.ts';

/** Options of any socket. What is left out keeps the system's default. */
export interface CommonSocketOptions {
  /** `SO_RCVBUF`, bytes. The kernel doubles it for its own bookkeeping, and takes no more than `net.core.rmem_max`. At least 1. */
  readonly receiveBufferSize?: number;
  /** `SO_SNDBUF`, bytes, likewise, up to `net.core.wmem_max`. At least 1. */
  readonly sendBufferSize?: number;
  /** `SO_PRIORITY`, in the queues of the network device. 0 to 6; more takes `CAP_NET_ADMIN`. */
  readonly priority?: number;
  /** `SO_MARK`, by which routing and packet filters tell packets. 0 to 2^31 - 1; takes `CAP_NET_ADMIN` or `CAP_NET_RAW`. */
  readonly mark?: number;
  /** `SO_BUSY_POLL`: microseconds for which a receive may poll the network device. 0 to 2^31 - 1; more than before takes `CAP_NET_ADMIN`. */
  readonly busyPoll?: number;
}

/** Options of TCP and UDP sockets. */
export interface IpSocketOptions extends CommonSocketOptions {
  /** `IP_TTL`, `IPV6_UNICAST_HOPS`: hops that what is sent may take. 1 to 255. */
  readonly ttl?: number;
  /** `IP_TOS`, `IPV6_TCLASS`: 0 to 255. */
  readonly typeOfService?: number;
  /** `SO_INCOMING_CPU`: the processor that serves the socket, which steers among sockets that share a port. 0 to 65535. */
  readonly incomingCpu?: number;
  /** `SO_BINDTOIFINDEX`: only what comes in and goes out by this network interface, given by its name. */
  readonly bindToDevice?: string;
  /**
   * `IP_FREEBIND`: bind to an address that this host does not have yet.
   *
   * @default false
   */
  readonly freeBind?: boolean;
}

/** Options of TCP sockets. */
export interface TcpSocketOptions extends IpSocketOptions {
  /**
   * `SO_KEEPALIVE`: probe idle connections. Core's `keepAlive` with an `initialDelay` sets the three below to values of its own.
   *
   * @default false
   */
  readonly keepAlive?: boolean;
  /** `TCP_KEEPIDLE`: idle seconds before the first probe. 1 to 32767. */
  readonly keepAliveIdle?: number;
  /** `TCP_KEEPINTVL`: seconds between probes. 1 to 32767. */
  readonly keepAliveInterval?: number;
  /** `TCP_KEEPCNT`: probes without answer before the peer is gone. 1 to 127. */
  readonly keepAliveCount?: number;
  /**
   * `TCP_NODELAY`: send small writes at once.
   *
   * @default false
   */
  readonly noDelay?: boolean;
  /** `TCP_QUICKACK`: acknowledge at once. The kernel may turn it off again. */
  readonly quickAck?: boolean;
  /** `TCP_MAXSEG`: bytes of the largest segment. 88 to 32767. */
  readonly maxSegmentSize?: number;
  /**
   * `TCP_USER_TIMEOUT`: milliseconds for which what was sent may stay unacknowledged. 0 to 2^31 - 1; 0 is the system's.
   *
   * @default 0
   */
  readonly userTimeout?: number;
  /**
   * `SO_RCVLOWAT`: bytes that make a socket readable. 1 to 2^31 - 1.
   *
   * @default 1
   */
  readonly receiveLowWater?: number;
  /** `TCP_NOTSENT_LOWAT`: unsent bytes above which a socket is not writable. 0 to 2^31 - 1. */
  readonly unsentLowWater?: number;
}

/** `transport` of `net.connect()` and `new net.Socket()`. */
export interface TcpClientOptions extends TcpSocketOptions {
  /** `TCP_SYNCNT`: attempts at a handshake. 1 to 127. */
  readonly synCount?: number;
  /**
   * `TCP_FASTOPEN_CONNECT`: send the first data with the handshake.
   *
   * @default false
   */
  readonly fastOpen?: boolean;
}

/** `transport` of `net.createServer()`. Connections have what their listener has, as Linux does it. */
export interface TcpServerOptions extends TcpSocketOptions {
  /**
   * `SO_REUSEADDR`, as core has it.
   *
   * @default true
   */
  readonly reuseAddress?: boolean;
  /**
   * `SO_REUSEPORT`: sockets of one user share the port, and its load.
   *
   * @default false
   */
  readonly reusePort?: boolean;
  /**
   * `TCP_DEFER_ACCEPT`: connections are accepted when data come, or after so many seconds. 0 to 32767; 0 is off.
   *
   * @default 0
   */
  readonly deferAccept?: number;
  /**
   * `TCP_FASTOPEN`: connections with data in the handshake that may wait. 0 to 65535; 0 is off.
   *
   * @default 0
   */
  readonly fastOpen?: number;
}

/** `transport` of UNIX-domain sockets. Of a server each connection gets them too. */
export type UnixSocketOptions = Pick<CommonSocketOptions, 'receiveBufferSize' | 'sendBufferSize' | 'priority' | 'mark'>;

/** `transport` of `dgram.createSocket()`. */
export interface UdpSocketOptions extends IpSocketOptions {
  /**
   * `SO_REUSEADDR`: share the port with others that do.
   *
   * @default false
   */
  readonly reuseAddress?: boolean;
  /**
   * `SO_REUSEPORT`: sockets of one user share the port, and its load.
   *
   * @default false
   */
  readonly reusePort?: boolean;
  /**
   * `SO_BROADCAST`: may send to broadcast addresses.
   *
   * @default false
   */
  readonly broadcast?: boolean;
  /**
   * `IP_MULTICAST_TTL`, `IPV6_MULTICAST_HOPS`: hops that what is sent to a group may take. 0 to 255.
   *
   * @default 1
   */
  readonly multicastTtl?: number;
  /**
   * `IP_MULTICAST_LOOP`: multicast comes back to this host's members.
   *
   * @default true
   */
  readonly multicastLoopback?: boolean;
  /**
   * `IP_MULTICAST_ALL`: also from groups that others on this host have joined.
   *
   * @default true
   */
  readonly multicastAll?: boolean;
  /** `IP_MULTICAST_IF`: the network interface that multicast leaves by, given by its name. */
  readonly multicastInterface?: string;
}

/** A checked option: what to set, to which number. */
interface Setting {
  readonly name: string;
  readonly option: SocketOption;
  readonly value: number;
}

/** Checked options, in the order in which they are to be set. */
export type SocketSettings = readonly Setting[];

/** The network interface of that name does not exist. */
const NO_INTERFACE = -1;

type Convert = (value: unknown, name: string) => number;

const MAX = 2 ** 31 - 1;

const toNumber =
  (min: number, max = MAX): Convert =>
  (value, name) => {
    validateInteger(value, name, min, max);
    return value;
  };
const toSwitch: Convert = (value, name) => {
  validateBoolean(value, name);
  return value ? 1 : 0;
};
const toInterface: Convert = (value, name) => {
  validateString(value, name);
  // A name has no slash, nor is it one of the two that every folder has.
  if (!/^[^/\s\0]{1,15}$/.test(value) || value === '.' || value === '..')
    throw new ERR_INVALID_ARG_VALUE(name, value, 'must be the name of a network interface');
  try {
    return Number(readFileSync(`/sys/class/net/${value}/ifindex`, 'latin1'));
  } catch {
    return NO_INTERFACE;
  }
};

/** By name, in the order in which options are to be set. */
type Table = Readonly<Record<string, readonly [SocketOption, Convert]>>;

const COMMON: Table = {
  receiveBufferSize: [SocketOption.RecvBuffer, toNumber(1)],
  sendBufferSize: [SocketOption.SendBuffer, toNumber(1)],
  priority: [SocketOption.Priority, toNumber(0)],
  mark: [SocketOption.Mark, toNumber(0)],
};
const IP: Table = {
  // Before the priority, which Linux derives from it.
  typeOfService: [SocketOption.TypeOfService, toNumber(0, 255)],
  ...COMMON,
  busyPoll: [SocketOption.BusyPoll, toNumber(0)],
  ttl: [SocketOption.UnicastHops, toNumber(1, 255)],
  incomingCpu: [SocketOption.IncomingCpu, toNumber(0, 65535)],
  bindToDevice: [SocketOption.BindToInterface, toInterface],
  freeBind: [SocketOption.FreeBind, toSwitch],
};
const TCP: Table = {
  ...IP,
  keepAlive: [SocketOption.KeepAlive, toSwitch],
  keepAliveIdle: [SocketOption.KeepIdle, toNumber(1, 32767)],
  keepAliveInterval: [SocketOption.KeepInterval, toNumber(1, 32767)],
  keepAliveCount: [SocketOption.KeepCount, toNumber(1, 127)],
  noDelay: [SocketOption.NoDelay, toSwitch],
  quickAck: [SocketOption.QuickAck, toSwitch],
  maxSegmentSize: [SocketOption.MaxSegment, toNumber(88, 32767)],
  userTimeout: [SocketOption.UserTimeout, toNumber(0)],
  receiveLowWater: [SocketOption.RecvLowWater, toNumber(1)],
  unsentLowWater: [SocketOption.UnsentLowWater, toNumber(0)],
};
const TABLES = {
  'tcp client': {
    ...TCP,
    synCount: [SocketOption.SynRetries, toNumber(1, 127)],
    fastOpen: [SocketOption.FastOpenConnect, toSwitch],
  },
  'tcp server': {
    ...TCP,
    reuseAddress: [SocketOption.ReuseAddress, toSwitch],
    reusePort: [SocketOption.ReusePort, toSwitch],
    deferAccept: [SocketOption.DeferAccept, toNumber(0, 32767)],
    fastOpen: [SocketOption.FastOpen, toNumber(0, 65535)],
  },
  udp: {
    ...IP,
    reuseAddress: [SocketOption.ReuseAddress, toSwitch],
    reusePort: [SocketOption.ReusePort, toSwitch],
    broadcast: [SocketOption.Broadcast, toSwitch],
    multicastTtl: [SocketOption.MulticastHops, toNumber(0, 255)],
    multicastLoopback: [SocketOption.MulticastLoop, toSwitch],
    multicastAll: [SocketOption.MulticastAll, toSwitch],
    multicastInterface: [SocketOption.MulticastInterface, toInterface],
  },
  unix: COMMON,
} satisfies Record<string, Table>;

/** Kinds of sockets, each with options of its own. */
export type OptionKind = keyof typeof TABLES;

/**
 * Checks options. None are none.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; the latter also for a name that is no option of the kind
 * @throws {RangeError} `ERR_OUT_OF_RANGE`
 */
export function socketSettings(given: unknown, kind: OptionKind): SocketSettings | undefined {
  if (given === undefined) return undefined;
  validateObject(given, 'options.transport');
  const table: Table = TABLES[kind];
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(table, name))
      throw new ERR_INVALID_ARG_VALUE(`options.transport.${name}`, value, 'is no option of such a socket');
  }
  const settings: Setting[] = [];
  for (const [name, [option, convert]] of Object.entries(table)) {
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined) settings.push({ name, option, value: convert(value, `options.transport.${name}`) });
  }
  return settings.length === 0 ? undefined : settings;
}

/** Options of a TCP listener that Linux does not hand on to its connections. */
const NOT_INHERITED: ReadonlySet<SocketOption> = new Set([SocketOption.QuickAck, SocketOption.Priority]);

/** What is left to be set on each connection that a listener with these options accepts: Linux hands on most of a TCP listener's, and none of a UNIX-domain one's. */
export function settingsOfConnections(settings: SocketSettings | undefined, unix: boolean): SocketSettings | undefined {
  if (settings === undefined || unix) return settings;
  const own = settings.filter(({ option }) => NOT_INHERITED.has(option));
  return own.length === 0 ? undefined : own;
}

/** Something with a descriptor. */
export interface Settable {
  /** @returns 0, or a negative errno */
  setOption(option: SocketOption, value: number): number;
}

/** What a failed option is told by. */
export interface SocketOptionError extends SystemCallError {
  /** Its name, as in `transport: { … }`. */
  option: string;
}

/** Sets options. @returns what the first that the kernel refuses fails with: `setsockopt EPERM mark` */
export function applySocketSettings(handle: Settable, settings: SocketSettings | undefined): SocketOptionError | null {
  for (const { name, option, value } of settings ?? []) {
    const status = value === NO_INTERFACE ? -constants.errno.ENODEV : handle.setOption(option, value);
    if (status >= 0) continue;
    const error = errnoException(status, 'setsockopt');
    return Object.assign(error, { message: `${error.message} ${name}`, option: name });
  }
  return null;
}
