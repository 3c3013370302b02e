/**
 * Who datagrams come from and go to: from the bytes of a `sockaddr` to words, and back, with a memory of those met last. Parsing and
 * printing an address costs more than all the rest of sending a small datagram.
 */
import type { NativeReactor } from '../native-binding.ts';

/** Peers remembered; when there are more, all are forgotten. */
const CAPACITY = 1024;

const AF_INET = 2;

/** The port that says "this is a path" to Rust. */
const NO_PORT = -1;

/** Somebody that datagrams come from. */
export interface Peer {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6' | 'unix';
  /** 0 for UNIX sockets. */
  readonly port: number;
  /** The `sockaddr`, to answer to; empty where the sender has no name. */
  readonly name: Uint8Array;
}

export class Peers {
  readonly #native: NativeReactor;
  /** By address and port as a number: IPv4 alone. */
  readonly #v4 = new Map<number, Peer>();
  readonly #others = new Map<string, Peer>();
  /** `sockaddr` by text, without their ports. */
  readonly #addresses = new Map<string, Uint8Array>();
  #lastKey = -1;
  #last: Peer | undefined = undefined;

  constructor(native: NativeReactor) {
    this.#native = native;
  }

  /** The sender whose `sockaddr` lies in the pool at `at`. */
  find(pool: Buffer, at: number, length: number): Peer {
    if (length < 8 || pool[at] !== AF_INET || pool[at + 1] !== 0) return this.#findOther(pool, at, length);
    const key =
      (pool[at + 4] * 0x1000000 + ((pool[at + 5] << 16) | (pool[at + 6] << 8) | pool[at + 7])) * 0x10000 +
      ((pool[at + 2] << 8) | pool[at + 3]);
    if (key === this.#lastKey) return this.#last!;
    let peer = this.#v4.get(key);
    if (peer === undefined) {
      peer = {
        address: `${pool[at + 4]}.${pool[at + 5]}.${pool[at + 6]}.${pool[at + 7]}`,
        family: 'IPv4',
        port: (pool[at + 2] << 8) | pool[at + 3],
        name: Uint8Array.from(pool.subarray(at, at + length)),
      };
      if (this.#v4.size >= CAPACITY) this.#v4.clear();
      this.#v4.set(key, peer);
    }
    this.#lastKey = key;
    this.#last = peer;
    return peer;
  }

  #findOther(pool: Buffer, at: number, length: number): Peer {
    const key = pool.toString('latin1', at, at + length);
    let peer = this.#others.get(key);
    if (peer === undefined) {
      peer = this.#describe(Uint8Array.from(pool.subarray(at, at + length)));
      if (this.#others.size >= CAPACITY) this.#others.clear();
      this.#others.set(key, peer);
    }
    return peer;
  }

  #describe(name: Uint8Array): Peer {
    const found = this.#native.describeAddress(name);
    if (typeof found === 'number') return { address: '', family: 'unix', port: 0, name };
    const family = found.family === 6 ? 'IPv6' : found.family === 4 ? 'IPv4' : 'unix';
    return { address: found.address, family, port: found.port, name: found.address === '' ? name.subarray(0, 0) : name };
  }

  /** The `sockaddr` of an IP address, whose port is yet to be written, or of a path; a negative errno for what is neither. */
  resolve(address: string, unix: boolean): Uint8Array | number {
    const key = unix ? `/${address}` : address;
    const known = this.#addresses.get(key);
    if (known !== undefined) return known;
    const found = this.#native.socketAddress(address, unix ? NO_PORT : 0);
    if (typeof found === 'number') return found;
    const bytes = new Uint8Array(found);
    // A scope by name may come to mean another interface.
    if (!unix && address.includes('%')) return bytes;
    if (this.#addresses.size >= CAPACITY) this.#addresses.clear();
    this.#addresses.set(key, bytes);
    return bytes;
  }
}
