/**
 * Multicast: which groups a socket receives from, and how it sends to them.
 *
 * An interface is given by its name (`eth0`), by its index, or by an address: an IPv4 address that it has, or any IPv6 address with the name behind its `%`.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE } from '../errors/core.ts';
import { errnoException } from '../errors/system.ts';
import { SocketOption } from '../reactor/index.ts';
import { validateBoolean, validateInt32, validateObject, validateString } from '../validate.ts';
import type { DatagramPort } from './datagram-port.ts';

const { ENODEV } = constants.errno;

/** Largest index that Linux gives an interface. */
const MAX_INDEX = 2 ** 31 - 1;

/** A membership in a group. */
export interface MembershipOptions {
  /** The interface: its name, its index, or an address of it. Default: the one that the routing table gives for the group. */
  readonly interface?: string | number;
  /** Only what this address sends. Default: whoever sends. */
  readonly source?: string;
}

/** Groups of a UDP socket: which it receives from, and how it sends to them. */
export class Multicast {
  readonly #port: DatagramPort;

  /** @internal It comes of a socket. */
  constructor(port: DatagramPort) {
    this.#port = port;
  }

  /**
   * Receives what is sent to a group.
   *
   * @throws the system's error: `EINVAL` for what is no group, `EADDRINUSE` where it is joined already, `ENODEV` where there is no such interface, `EBADF` on a
   * socket that is closed
   */
  join(group: string, options?: MembershipOptions): void {
    this.#change(true, group, options);
  }

  /** Does so no longer. @throws the system's error: `EADDRNOTAVAIL` where the group is not joined */
  leave(group: string, options?: MembershipOptions): void {
    this.#change(false, group, options);
  }

  /** Whether what is sent to groups comes back to members on this host. The system's default: it does. @throws the system's error */
  setLoopback(wanted: boolean): void {
    validateBoolean(wanted, 'wanted');
    check(this.#port.setOption(SocketOption.MulticastLoop, wanted ? 1 : 0), 'setMulticastLoopback');
  }

  /** Hops that what is sent to groups may take, 0 to 255. The system's default: 1. @throws the system's error */
  setTtl(hops: number): void {
    validateInt32(hops, 'hops', 0, 255);
    check(this.#port.setOption(SocketOption.MulticastHops, hops), 'setMulticastTTL');
  }

  /** The interface that what is sent to groups leaves by. @throws the system's error: `ENODEV`, `EADDRNOTAVAIL` where there is none such */
  setInterface(on: string | number): void {
    const { address, index } = toInterface(on, 'on');
    const status =
      address === undefined
        ? this.#port.setOption(SocketOption.MulticastInterface, index!)
        : this.#port.multicastInterface(address);
    check(status, 'setMulticastInterface');
  }

  #change(join: boolean, group: string, options: MembershipOptions = {}): void {
    validateString(group, 'group');
    validateObject(options, 'options');
    const { interface: on, source } = options;
    if (source !== undefined) validateString(source, 'options.source');
    const { address, index } = on === undefined ? ANY : toInterface(on, 'options.interface');
    const what = source === undefined ? 'Membership' : 'SourceSpecificMembership';
    check(this.#port.membership(join, group, source, address, index), `${join ? 'add' : 'drop'}${what}`);
  }
}

/** By an address or by an index. */
interface Interface {
  readonly address?: string;
  readonly index?: number;
}

const ANY: Interface = {};

function toInterface(on: unknown, name: string): Interface {
  if (typeof on === 'number') {
    validateInt32(on, name, 1, MAX_INDEX);
    return { index: on };
  }
  if (typeof on !== 'string') throw new ERR_INVALID_ARG_TYPE(name, ['string', 'number'], on);
  if (isIP(on.split('%')[0]) !== 0) return { address: on };
  if (!/^[^/\s\0]{1,15}$/.test(on)) throw new ERR_INVALID_ARG_VALUE(name, on, 'must be a network interface');
  return { index: indexOf(on) };
}

/** The index of an interface by its name. Indices begin at 1: what is none is refused with `ENODEV`. */
function indexOf(name: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'latin1'));
  } catch {
    throw errnoException(-ENODEV, 'if_nametoindex');
  }
}

function check(status: number, call: string): void {
  if (status < 0) throw errnoException(status, call);
}
