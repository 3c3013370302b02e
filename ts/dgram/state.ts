/**
 * What the files of this folder know of sockets, and their users do not.
 */
import type core from 'node:dgram';
import { isIP, type BlockList } from 'node:net';
import type { CoreHandle } from '../core/handles.ts';
import { ERR_SOCKET_DGRAM_NOT_RUNNING } from '../errors/core.ts';
import type { AsyncScope, DatagramHandle, DatagramKind } from '../reactor/index.ts';
import type { SocketSettings } from '../socket-options.ts';

export const kState = Symbol('state');

export const enum Bound {
  No = 0,
  Soon = 1,
  Yes = 2,
}

export const enum Connected {
  No = 0,
  Soon = 1,
  Yes = 2,
}

/** Finds an address: `dns.lookup`, or the user's. */
export type Lookup = (
  host: string,
  family: number,
  callback: (error: Error | null, address: string, family: number) => void,
) => void;

/** The state of a socket. */
export interface State {
  readonly kind: DatagramKind;
  readonly scope: AsyncScope;
  readonly lookup: Lookup | undefined;
  /** From binding on. */
  handle: DatagramHandle | null;
  /** A handle of core's for the same socket, which is closed with it: the primary's of a cluster, or one that child_process sends. */
  sibling: CoreHandle | null;
  /** What `_handle` is; made for the first who asks. */
  shown: object | undefined;
  closed: boolean;
  bound: Bound;
  connected: Connected;
  receiving: boolean;
  referenced: boolean;
  /** What waits for the socket to be bound. */
  queue: (() => void)[] | undefined;
  /** As it was given, since core shows it so. */
  reuseAddr: unknown;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
  readonly recvBufferSize: number | undefined;
  readonly sendBufferSize: number | undefined;
  readonly receiveBlockList: BlockList | undefined;
  readonly sendBlockList: BlockList | undefined;
  readonly additions: Additions;
  readonly transport: SocketSettings | undefined;
  /** Iterations whose consumers are behind: while there are any, nothing is received. */
  pauses: number;
  /** `handle.sendCount` before the sends of this tick; -1 where there was none. */
  sendsBefore: number;
  /** The IP address that was sent to last. */
  literal: string | undefined;
  /** Path that binding has made, to be removed with the socket. */
  path: string | undefined;
  /** Whether the kernel cuts what is sent into datagrams (GSO), and puts what is received together (GRO). Known once bound. */
  gso: boolean;
  gro: boolean;
}

/** What is asked for beyond core. */
export interface Additions {
  readonly reply: boolean;
  readonly gro: boolean;
  readonly packetInfo: boolean;
  readonly tos: boolean;
  readonly timestamp: boolean;
  readonly dropCounter: boolean;
  readonly credentials: boolean;
  /** Absent: in batches alone. */
  readonly gso: boolean | undefined;
}

/** Whether a list rules an address out. Paths, and what is no address, are on no list. */
export function isListed(list: BlockList | undefined, address: string): boolean {
  if (list === undefined) return false;
  const family = isIP(address);
  return family !== 0 && list.check(address.split('%', 1)[0], family === 6 ? 'ipv6' : 'ipv4');
}

/** A socket seen from inside. */
export interface DgramSocket extends core.Socket {
  [kState]: State;
  type: DatagramKind;
  emit(event: string | symbol, ...args: any[]): boolean;
}

/** @throws {Error} `ERR_SOCKET_DGRAM_NOT_RUNNING` on a socket that was closed. */
export function checkRunning(socket: DgramSocket): State {
  const state = socket[kState];
  if (state.closed) throw new ERR_SOCKET_DGRAM_NOT_RUNNING();
  return state;
}

/**
 * The handle, to change something that datagrams are sent with. With core, what was sent to the socket's peer is with the kernel by now; what was sent by
 * address is still being looked up, and goes out with the change if it comes in the same tick.
 */
export function changing({ handle, connected }: State): DatagramHandle | null {
  if (connected === Connected.Yes) handle?.offer();
  return handle;
}

export type { DatagramHandle };
