/** Opens datagram sockets: bound, and connected where they have a peer. */
import { randomBytes } from 'node:crypto';
import core from 'node:dgram';
import { once } from 'node:events';
import { IouringUnavailableError } from '../errors/iouring.ts';
import { endpointException, errnoException } from '../errors/system.ts';
import { DatagramHandle, SendGrouping, SocketOption, type DatagramKind, type Endpoint } from '../reactor/index.ts';
import {
  applySocketSettings,
  socketSettings,
  type SocketSettings,
  type UdpSocketOptions,
  type UnixSocketOptions,
} from '../socket-options.ts';
import { support } from '../support.ts';
import { validateBoolean, validateInteger, validateObject, validatePort, validateString } from '../validate.ts';
import { CoreDatagrams } from './core-datagrams.ts';
import type { SocketParts } from './datagram-socket.ts';
import { endpointsOf } from './connecting.ts';
import { defaults } from './defaults.ts';
import { removePath } from './listening.ts';
import type { InternetEndpoint } from './stream.ts';
import { validateTimeouts, type TimeoutOptions } from './timeouts.ts';

/** What datagram sockets of all kinds are made with. Of the time-outs `readTimeout` is how long each `receive()` waits; the other two end the socket. */
export interface DatagramOptions extends TimeoutOptions {
  /**
   * Bytes of unreleased payloads, 256 more for each, from which on nothing more is received, until half of them are released; at least 1. Default: 1,048,576.
   */
  readonly payloadLimit?: number;
  /** Tells when datagrams arrived: `ancillary.timestamp`, a bigint, nanoseconds since 1970. Default: false. */
  readonly timestamp?: boolean;
  /** Tells how many the socket has lost because its receive buffer was full: `ancillary.dropped`. Default: false. */
  readonly dropCounter?: boolean;
}

/** What UDP sockets are made with. */
export interface UdpOptions extends DatagramOptions {
  /** Let datagrams of one tick, of one size and to one peer, go through the kernel as one (GSO), where it can. Default: true. */
  readonly gso?: boolean;
  /** Let the kernel put datagrams of one flow together (GRO). Each is handed over by itself all the same. Default: false. */
  readonly gro?: boolean;
  /** Tells where datagrams were sent to and what they came by: `ancillary.destination`, `ancillary.interfaceIndex`. Default: false. */
  readonly packetInfo?: boolean;
  /** Tells their type of service: `ancillary.tos`, `ancillary.ecn`. Default: false. */
  readonly tos?: boolean;
  /** Options of the socket. */
  readonly transport?: UdpSocketOptions;
}

/** What a UDP server is made with. */
export interface UdpServerOptions extends UdpOptions {
  /** The port, 0 to 65535. Default: 0, one that is free. */
  readonly port?: number;
  /** The address or name to receive at. Default: `127.0.0.1`. */
  readonly host?: string;
  /**
   * Share the port with other sockets of this user that say so too; the kernel deals senders out. Default: true in the worker of a transport, where port 0 is
   * the same port in all of them; else false.
   */
  readonly reusePort?: boolean;
  /** Refuse IPv4 on an IPv6 address. Default: false. */
  readonly ipv6Only?: boolean;
}

/** What a UDP client is made with. */
export interface UdpClientOptions extends UdpOptions {
  /** The peer's port, 1 to 65535. */
  readonly port: number;
  /** The peer's address or name. Default: `127.0.0.1`. */
  readonly host?: string;
  /** Own port, 0 to 65535. Default: 0, one that is free. */
  readonly localPort?: number;
  /** Own address, of the peer's family. Default: the one that the routing table gives. */
  readonly localAddress?: string;
}

/** What UNIX-domain datagram sockets are made with. */
export interface UnixDatagramOptions extends DatagramOptions {
  /** Tells the sender's process: `ancillary.credentials`. Default: false. */
  readonly credentials?: boolean;
  /** Options of the socket. */
  readonly transport?: UnixSocketOptions;
}

/** What a UNIX-domain datagram server is made with. */
export interface UnixDatagramServerOptions extends UnixDatagramOptions {
  /** The path, which is removed when the server is closed; or an abstract name, which begins with a zero byte. */
  readonly path: string;
}

/** What a UNIX-domain datagram client is made with. */
export interface UnixDatagramClientOptions extends UnixDatagramOptions {
  /** The peer's path, or abstract name. */
  readonly path: string;
  /** Own path, which is removed when the client is closed, or abstract name. Default: an abstract name that nobody else has. */
  readonly localPath?: string;
}

/** Options that are switches, and what each sets. */
const ADDITIONS = [
  ['packetInfo', SocketOption.PacketInfo],
  ['tos', SocketOption.RecvTypeOfService],
  ['timestamp', SocketOption.Timestamp],
  ['dropCounter', SocketOption.DropCounter],
  ['credentials', SocketOption.PassCredentials],
  ['gro', SocketOption.UdpGro],
] as const;

type Addition = (typeof ADDITIONS)[number][0];
type Switches = { readonly [Name in Addition | 'gso']?: boolean };

/** What a socket is to be, checked. */
interface Plan {
  readonly kind: DatagramKind;
  readonly local: Endpoint;
  readonly peer: Endpoint | undefined;
  readonly settings: SocketSettings | undefined;
  readonly options: DatagramOptions & Switches & { readonly transport?: UdpSocketOptions };
  readonly reusePort?: boolean;
  readonly ipv6Only?: boolean;
}

/** Makes any port one that is shared. */
export type SettlePort = (endpoint: InternetEndpoint, ipv6Only: boolean) => Promise<InternetEndpoint>;

/**
 * A UDP socket that anybody can send to.
 *
 * @param shares whether it shares its port where nothing is said of that
 */
export async function openUdpServer(
  options: UdpServerOptions,
  onRing: boolean,
  shares: boolean,
  settlePort: SettlePort,
): Promise<SocketParts> {
  validateObject(options, 'options');
  const { udpServer } = defaults;
  const settings = socketSettings(options.transport, 'udp');
  const { port = udpServer.port, host = udpServer.host, ipv6Only = udpServer.ipv6Only } = options;
  const { reusePort = options.transport?.reusePort ?? shares } = options;
  validateString(host, 'options.host');
  validateBoolean(reusePort, 'options.reusePort');
  validateBoolean(ipv6Only, 'options.ipv6Only');
  const number = validatePort(port, 'options.port');
  validateOptions(options);
  const [found] = await endpointsOf(host, number);
  const local = reusePort ? await settlePort(found as InternetEndpoint, ipv6Only) : found;
  return open({ kind: kindOf(local), local, peer: undefined, settings, options, reusePort, ipv6Only }, onRing);
}

/** One that is connected. */
export async function openUdpClient(options: UdpClientOptions, onRing: boolean): Promise<SocketParts> {
  validateObject(options, 'options');
  const { udpClient } = defaults;
  const { port, host = udpClient.host, localPort = udpClient.localPort, localAddress } = options;
  validateString(host, 'options.host');
  if (localAddress !== undefined) validateString(localAddress, 'options.localAddress');
  const number = validatePort(port, 'options.port', false);
  const own = validatePort(localPort, 'options.localPort');
  const settings = socketSettings(options.transport, 'udp');
  validateOptions(options);
  const [peer] = await endpointsOf(host, number);
  const kind = kindOf(peer);
  const address = localAddress ?? (kind === 'udp6' ? '::' : '0.0.0.0');
  const local: Endpoint = { family: kind === 'udp6' ? 6 : 4, address, port: own };
  return open({ kind, local, peer, settings, options }, onRing);
}

/** A UNIX-domain socket that anybody can send to. Rejects on core, which has none. */
export function openUnixServer(options: UnixDatagramServerOptions, onRing: boolean): SocketParts {
  validateObject(options, 'options');
  const { path } = options;
  validateString(path, 'options.path');
  return openUnix({ path }, undefined, options, onRing);
}

/** One that is connected. Likewise. */
export function openUnixClient(options: UnixDatagramClientOptions, onRing: boolean): SocketParts {
  validateObject(options, 'options');
  const { path, localPath = `\0iouring-transport-${randomBytes(12).toString('hex')}` } = options;
  validateString(path, 'options.path');
  validateString(localPath, 'options.localPath');
  return openUnix({ path: localPath }, { path }, options, onRing);
}

function openUnix(local: Endpoint, peer: Endpoint | undefined, options: UnixDatagramOptions, onRing: boolean): SocketParts {
  const settings = socketSettings(options.transport, 'unix');
  validateOptions(options);
  if (!onRing) {
    const { reason = 'ERR_IOURING_FORCED_CORE', message, errno } = support();
    throw new IouringUnavailableError(
      reason,
      `core has no UNIX-domain datagrams, and ${message ?? 'the ring is not in use'}`,
      errno,
    );
  }
  return openOnRing({ kind: 'unix_dgram', local, peer, settings, options });
}

function validateOptions(options: DatagramOptions & Switches): void {
  const { payloadLimit, gso } = options;
  validateTimeouts(options);
  if (payloadLimit !== undefined) validateInteger(payloadLimit, 'options.payloadLimit', 1);
  if (gso !== undefined) validateBoolean(gso, 'options.gso');
  for (const [name] of ADDITIONS) if (options[name] !== undefined) validateBoolean(options[name], `options.${name}`);
}

function kindOf(endpoint: Endpoint): DatagramKind {
  return 'family' in endpoint && endpoint.family === 6 ? 'udp6' : 'udp4';
}

function open(plan: Plan, onRing: boolean): SocketParts | Promise<SocketParts> {
  return onRing ? openOnRing(plan) : openOnCore(plan);
}

function failure(status: number, call: string, endpoint: Endpoint): Error {
  if ('path' in endpoint) return endpointException(status, call, endpoint.path);
  return endpointException(status, call, endpoint.address, endpoint.port);
}

function openOnRing({ kind, local, peer, settings, options, reusePort, ipv6Only }: Plan): SocketParts {
  const handle = DatagramHandle.open(kind);
  if (typeof handle === 'number') throw errnoException(handle, 'socket');
  const must = (error: Error | null): void => {
    if (error === null) return;
    handle.close();
    throw error;
  };
  const status = (result: number, call: string, endpoint: Endpoint): void =>
    must(result < 0 ? failure(result, call, endpoint) : null);
  must(applySocketSettings(handle, settings));
  if (reusePort === true) status(handle.setOption(SocketOption.ReusePort, 1), 'bind', local);
  if (kind === 'udp6') status(handle.setOption(SocketOption.Ipv6Only, ipv6Only === true ? 1 : 0), 'bind', local);
  status(handle.bind(local), 'bind', local);
  if (peer !== undefined) {
    const connected = handle.connect(peer);
    // The bind has made it.
    if (connected < 0) removePath(local);
    status(connected, 'connect', peer);
  }
  // What this kernel lacks is left out, and so absent from what is told.
  const tells = ADDITIONS.filter(([name, option]) => options[name] === true && handle.setOption(option, 1) === 0);
  if (tells.length > 0) handle.setControl(true);
  const cuts = kind !== 'unix_dgram' && options.gso !== false && handle.getOption(SocketOption.UdpSegment) !== undefined;
  if (cuts) handle.grouping = SendGrouping.Always;
  return { ...options, port: handle, onRing: true, cuts, removePath: () => removePath(local) };
}

async function openOnCore({ kind, local, peer, settings, options, reusePort, ipv6Only }: Plan): Promise<SocketParts> {
  const how: core.SocketOptions & { reusePort?: boolean } = {
    type: kind as 'udp4' | 'udp6',
    reuseAddr: options.transport?.reuseAddress ?? false,
    ...(reusePort === true || options.transport?.reusePort === true ? { reusePort: true } : {}),
    ipv6Only: ipv6Only ?? false,
  };
  const socket = core.createSocket(how);
  const bound = local as { readonly address: string; readonly port: number };
  const listening = once(socket, 'listening');
  socket.bind({ address: bound.address, port: bound.port, exclusive: true });
  await listening.catch((error: unknown) => {
    socket.close();
    throw error;
  });
  const port = new CoreDatagrams(socket);
  const must = (error: Error | null): void => {
    if (error === null) return;
    port.close();
    throw error;
  };
  must(applySocketSettings(port, settings));
  if (peer !== undefined) must(await connectOnCore(socket, peer as { readonly address: string; readonly port: number }));
  return { ...options, port, onRing: false, cuts: false };
}

/** @returns the error, or null */
function connectOnCore(socket: core.Socket, { address, port }: { readonly address: string; readonly port: number }) {
  return new Promise<Error | null>((resolve) => {
    socket.connect(port, address, ((error?: Error) => resolve(error ?? null)) as () => void);
  });
}
