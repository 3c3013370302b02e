/**
 * A datagram socket: UDP or UNIX.
 *
 * Life of a datagram that is sent: destination and payload are copied into the arena side by side, or, when the payload is large, it is lent to Rust as
 * it is; one command goes out; a report comes when the kernel has it. Reports come in the order of sending. Of one that is received: its bytes
 * are copied out of the pool, or lent where they lie, and its sender's name is looked up among those met before.
 */
import process from 'node:process';
import { EBADF, EDESTADDRREQ, EINVAL } from '../errors/errno.ts';
import { Peers, type Peer } from './peers.ts';
import { ALONE, PendingSends, type SentReport } from './pending-sends.ts';
import {
  Command,
  Completion,
  CONTROL_LENGTH,
  CompletionWord,
  CONTROL_LENGTH_SHIFT,
  DATAGRAM_CONTROL_TRUNCATED,
  DATAGRAM_REGION,
  DATAGRAM_TRUNCATED,
  DatagramWord,
  MAX_PIECE,
  DESTINATION_BESIDE,
  Domain,
  INTERNET_NAME,
  NAME_LENGTH,
  RECORD_WORDS,
  SEND_FLAGS,
  SEND_FLAGS_SHIFT,
  SEND_TOGETHER,
  SENT_WORD,
  UNIX_NAME,
} from './protocol.ts';
import type { DatagramEvents } from './handle-table.ts';
import { ownCopy } from './own-copy.ts';
import type { Reactor } from './reactor.ts';
import type { ReceivedBuffers } from './received-buffers.ts';
import { getReactor } from './thread-reactor.ts';
import { nothing, Activity, SocketHandle, toEndpoint, type Endpoint } from './socket-handle.ts';

/** Kinds of datagram sockets. */
export type DatagramKind = 'udp4' | 'udp6' | 'unix_dgram';

const DOMAINS: Readonly<Record<DatagramKind, Domain>> = {
  udp4: Domain.Ipv4,
  udp6: Domain.Ipv6,
  unix_dgram: Domain.Unix,
};

/** First byte of an IPv6 `sockaddr`. */
const AF_INET6 = 10;

/** Payloads up to this size are copied. */
const COPY_SIZE = 8 * 1024;

/** Up to here bytes are copied one by one: cheaper than the call into native code that copies many. */
const COPY_BY_HAND = 96;

/** The region of the arena. */
const ARENA = 0;

const NO_PORT = -1;

/** Core's own option: what is sent counts as queued until its sender is told. */
const NEVER_AT_ONCE = process.execArgv.includes('--test-udp-no-try-send');

/** What has been received, as the handle hands it over. */
export interface ReceivedDatagram {
  readonly data: Buffer;
  readonly peer: Peer;
  /** It was longer than the room for it: the rest is gone. */
  readonly truncated: boolean;
  /** Control data as the kernel wrote it, or as much of it as had room; absent where none was asked for. */
  readonly control: Buffer | undefined;
  readonly controlTruncated: boolean;
}

/** Hears of datagrams where they lie. */
export interface DatagramReceiver {
  /**
   * A datagram has arrived. Its bytes stay where they are, `offset` bytes into the pool, until `buffer` is let go of.
   *
   * @param control as in {@link ReceivedDatagram}
   */
  ondatagram(
    buffer: number,
    offset: number,
    length: number,
    peer: Peer,
    truncated: boolean,
    control: Buffer | undefined,
    controlTruncated: boolean,
  ): void;
}

function never(): boolean {
  return false;
}

/** Which datagrams may go through the kernel as one (GSO). */
export const enum SendGrouping {
  Never = 0,
  InBatches = 1,
  Always = 2,
}

/** The number of no handle. */
const NO_HANDLE = -1;

let peers: Peers | undefined;

export class DatagramHandle extends SocketHandle implements DatagramEvents {
  override owner: unknown = undefined;
  /** A datagram has arrived. */
  onmessage: (message: ReceivedDatagram) => void = nothing;
  /** Datagrams have arrived: called instead of `onmessage` where {@link wantsBatches} says so. */
  onmessages: (messages: ReceivedDatagram[]) => void = nothing;
  /** Hears of them instead of both, where they lie. */
  receiver: DatagramReceiver | undefined = undefined;
  /** The network reports an error. */
  onerror: (status: number) => void = nothing;
  /** Says whether they are wanted in batches: asked each time that some have arrived. */
  wantsBatches: () => boolean = never;
  grouping: SendGrouping = SendGrouping.Never;
  readonly kind: DatagramKind;
  readonly #peers: Peers;
  readonly #pending = new PendingSends();
  readonly #nameRoom: number;

  /** `socket(2)`: a handle, or a negative errno. */
  static open(kind: DatagramKind): DatagramHandle | number {
    const reactor = getReactor();
    const id = reactor.native.openDatagram(DOMAINS[kind]);
    return id < 0 ? id : new DatagramHandle(reactor, id, kind);
  }

  /** What libuv calls a socket's kind: `TCP`, `PIPE` or `UDP`; null for what is none of these. */
  static kindOf(fd: number): string | null {
    return getReactor().native.socketKind(fd);
  }

  /** Takes over an open datagram socket; `-EEXIST` where a handle has it already, of ours or one of core's that uses it. */
  static adopt(fd: number, kind: DatagramKind): DatagramHandle | number {
    const reactor = getReactor();
    const id = reactor.native.adoptDatagram(fd, kind === 'unix_dgram');
    return id < 0 ? id : new DatagramHandle(reactor, id, kind);
  }

  /** What {@link membership} answers where there is no descriptor yet: `-EINVAL` for what is no address or goes with no other, otherwise `-EBADF`. */
  static membershipOfNone(group: string, source?: string): number {
    return getReactor().native.membership(NO_HANDLE, true, group, source);
  }

  /** The same for {@link multicastInterface}. */
  static multicastInterfaceOfNone(address: string): number {
    return getReactor().native.multicastInterface(NO_HANDLE, address);
  }

  override get resourceName(): string {
    return 'UDPWrap';
  }

  private constructor(reactor: Reactor, id: number, kind: DatagramKind) {
    super(reactor, id);
    this.kind = kind;
    this.#peers = peers ??= new Peers(reactor.native);
    this.#nameRoom = kind === 'unix_dgram' ? UNIX_NAME : INTERNET_NAME;
  }

  /** See {@link SocketHandle.gathers}. */
  get gathers(): boolean {
    return this.receiver !== undefined || this.wantsBatches();
  }

  /** `bind(2)`. Without `SO_REUSEADDR`, which lets two UDP sockets have the same port. */
  override bind(endpoint: Endpoint): number {
    const { native } = this.reactor;
    return 'path' in endpoint
      ? native.bind(this.id, endpoint.path, NO_PORT)
      : native.bind(this.id, endpoint.address, endpoint.port);
  }

  /** Hands over what was sent so far, as far as there is room: before something changes that it is sent with. */
  offer(): void {
    if (this.#pending.count > 0) this.reactor.native.offerDatagrams(this.id);
  }

  /** What the kernel has not taken, for lack of room: whatever was given to `send` before is offered to it first. */
  sendQueue(): { bytes: number; count: number } {
    if (this.#pending.count === 0) return { bytes: 0, count: 0 };
    if (NEVER_AT_ONCE) return { bytes: this.#pending.bytes, count: this.#pending.count };
    return this.reactor.native.datagramQueue(this.id);
  }

  /** Whether somebody is still to be told of what has become of a datagram. */
  get expectsReports(): boolean {
    return this.#pending.expectsReports;
  }

  /** Datagrams ever given to `send`. */
  sendCount = 0;

  /** Reports no more on those sent since `sendCount` had that value, but for batches. */
  forgetReports(since: number): void {
    this.#pending.forgetReports(since - (this.sendCount - this.#pending.count));
  }

  /** `connect(2)`, at once; `null` ends a connection. What was sent before goes to the peer that there was. */
  connect(peer: Endpoint | null): number {
    const { native } = this.reactor;
    if (peer === null) return native.connectDatagram(this.id, '', NO_PORT);
    if (!('path' in peer) && peer.address.includes(':') !== (this.kind === 'udp6')) return -EINVAL;
    return 'path' in peer
      ? native.connectDatagram(this.id, peer.path, NO_PORT)
      : native.connectDatagram(this.id, peer.address, peer.port);
  }

  /** `getpeername(2)`. */
  peerEndpoint(): Endpoint | number {
    return toEndpoint(this.reactor.native.endpoint(this.id, true));
  }

  /** Takes one datagram after another from now on, each when the one before has been heard of: other processes have the socket, too, and what is taken is lost to them. */
  share(): void {
    if (!this.closed) this.reactor.commands.write(Command.Share, this.id);
  }

  /** Lets datagrams come. */
  receiveStart(): void {
    if (this.closed || this.isBusy(Activity.Reading)) return;
    this.begin(Activity.Reading);
    this.reactor.commands.write(Command.ReadStart, this.id);
  }

  /** Lets no more come, except those that are on their way. */
  receiveStop(): void {
    if (this.closed || !this.isBusy(Activity.Reading)) return;
    this.finish(Activity.Reading);
    this.reactor.commands.write(Command.ReadStop, this.id);
  }

  /** Receives control data too, or no longer. Which, the socket's options say. */
  setControl(wanted: boolean): void {
    this.reactor.commands.write(Command.Control, this.id, wanted ? 1 : 0);
  }

  /** Joins a multicast group or leaves it, for one source or any, on an interface that has this address or index, or any. */
  membership(join: boolean, group: string, source?: string, interfaceAddress?: string, interfaceIndex?: number): number {
    return this.closed ? -EBADF : this.reactor.native.membership(this.id, join, group, source, interfaceAddress, interfaceIndex);
  }

  /** The interface that multicast leaves by: one that has this IPv4 address, or the one behind `%` in an IPv6 address. */
  multicastInterface(address: string): number {
    return this.reactor.native.multicastInterface(this.id, address);
  }

  /**
   * Sends to an address, or a path with any port.
   *
   * @returns zero, and `report` follows, or a negative errno for an address that is none.
   */
  sendTo(payload: Uint8Array, address: string, port: number, report?: SentReport, flags = 0, segment = 0, place = ALONE): number {
    const unix = this.kind === 'unix_dgram';
    const name = this.#peers.resolve(address, unix);
    if (typeof name === 'number') return name;
    if (!unix && (name[0] === AF_INET6) !== (this.kind === 'udp6')) return -EINVAL;
    this.#send(payload, name, unix ? NO_PORT : port, report, flags, segment, place);
    return 0;
  }

  /** Answers to a sender. @returns zero, and `report` follows, or a negative errno where the sender has no name */
  reply(payload: Uint8Array, peer: Peer, report?: SentReport): number {
    if (peer.name.byteLength === 0) return -EDESTADDRREQ;
    this.#send(payload, peer.name, NO_PORT, report, 0, 0, ALONE);
    return 0;
  }

  /** Sends to somebody whom a datagram has come from, or to the socket's peer where there is nobody. Likewise. */
  transmit(bytes: Uint8Array, to: Peer | undefined, segment: number, report: SentReport, place: number): number {
    if (to?.name.byteLength === 0) return -EDESTADDRREQ;
    this.#send(bytes, to?.name, NO_PORT, report, 0, segment, place);
    return 0;
  }

  /** The same for bytes that may change as soon as this returns. */
  sendCopied(bytes: Uint8Array, to: Peer | undefined, segment: number, report: SentReport, place: number): number {
    const kept = bytes.byteLength > COPY_SIZE ? ownCopy(bytes, 0, bytes.byteLength) : bytes;
    return this.transmit(kept, to, segment, report, place);
  }

  /**
   * The same for bytes that lie in a receive buffer, which is held until they have been sent: at no size does that cost more than copying them (64 B to 4 KiB 0.94
   * to 0.98 of its CPU time, 16 KiB 0.77).
   */
  sendReceived(
    buffers: ReceivedBuffers,
    buffer: number,
    offset: number,
    length: number,
    to: Peer | undefined,
    segment: number,
    report: SentReport,
    place: number,
  ): number {
    const { reactor } = this;
    const isLent = buffers === reactor.receivedDatagrams && !buffers.scarce && length > 0;
    const nameLength = to === undefined ? 0 : to.name.byteLength;
    const name = isLent && nameLength > 0 ? reactor.memory.arena.allocate(nameLength) : -1;
    if (!isLent || (name < 0 && to !== undefined)) {
      return this.sendCopied(buffers.bytes(offset, length), to, segment, report, place);
    }
    if (to !== undefined) writeName(reactor.memory.arena.memory, name, to.name, NO_PORT);
    buffers.hold(buffer);
    this.#expect(name, ~buffer, length, place, report);
    const packed = nameLength | (this.#goesTogether(place) ? SEND_TOGETHER : 0);
    reactor.commands.writeDatagram(this.id, DATAGRAM_REGION, offset, length, Math.max(name, 0), packed, segment);
    return 0;
  }

  /** Whether one of this place may go through the kernel with others. */
  #goesTogether(place: number): boolean {
    return this.grouping === SendGrouping.Always || (place !== ALONE && this.grouping === SendGrouping.InBatches);
  }

  /** Sends to the socket's peer. */
  send(payload: Uint8Array, report?: SentReport, flags = 0, segment = 0, place = ALONE): void {
    this.#send(payload, undefined, NO_PORT, report, flags, segment, place);
  }

  #send(
    payload: Uint8Array,
    name: Uint8Array | undefined,
    port: number,
    report: SentReport | undefined,
    flags: number,
    segment: number,
    place: number,
  ): void {
    const { arena } = this.reactor.memory;
    // The kernel refuses one that is so long as it refuses those that are longer.
    const length = Math.min(payload.byteLength, MAX_PIECE);
    const nameLength = name === undefined ? 0 : name.byteLength;
    const packed = nameLength | ((flags & SEND_FLAGS) << SEND_FLAGS_SHIFT) | (this.#goesTogether(place) ? SEND_TOGETHER : 0);
    const copied = length <= COPY_SIZE;
    const needed = copied ? nameLength + length : nameLength;
    const offset = needed === 0 ? -1 : arena.allocate(needed);
    if (offset < 0 && needed > 0) {
      this.#sendTogether(payload, length, name, port, report, packed, segment, place);
      return;
    }
    const { memory } = arena;
    if (name !== undefined) writeName(memory, offset, name, port);
    if (!copied) {
      const region = this.reactor.memory.lend(payload);
      this.#expect(offset, region, length, place, report);
      this.reactor.commands.writeDatagram(this.id, region, 0, length, Math.max(offset, 0), packed, segment);
      return;
    }
    const at = Math.max(offset, 0) + nameLength;
    if (length <= COPY_BY_HAND) for (let i = 0; i < length; i++) memory[at + i] = payload[i]!;
    else memory.set(payload, at);
    this.#expect(offset, 0, length, place, report);
    this.reactor.commands.writeDatagram(this.id, ARENA, at, length, Math.max(offset, 0), packed, segment);
  }

  /** The arena is full: destination and payload travel in a view of their own. */
  #sendTogether(
    payload: Uint8Array,
    length: number,
    name: Uint8Array | undefined,
    port: number,
    report: SentReport | undefined,
    packed: number,
    segment: number,
    place: number,
  ): void {
    const nameLength = name === undefined ? 0 : name.byteLength;
    const view = new Uint8Array(nameLength + length);
    if (name !== undefined) writeName(view, 0, name, port);
    view.set(length < payload.byteLength ? payload.subarray(0, length) : payload, nameLength);
    const region = this.reactor.memory.lend(view);
    this.#expect(-1, region, length, place, report);
    this.reactor.commands.writeDatagram(this.id, region, nameLength, length, 0, packed | DESTINATION_BESIDE, segment);
  }

  #expect(arena: number, region: number, length: number, place: number, report: SentReport | undefined): void {
    if (this.#pending.count === 0) this.begin(Activity.Writing);
    this.#pending.push(arena, region, length, place, report);
    this.sendCount++;
  }

  /** The port is free when this returns, as it is with core. */
  override close(): void {
    if (this.closed) return;
    super.close();
    this.reactor.native.closeNow(this.id);
  }

  datagrams(words: Int32Array, at: number, count: number, gathers: boolean): void {
    if (this.closed) return;
    if (this.receiver !== undefined) {
      for (let i = 0; i < count && !this.closed; i++) this.#lend(this.receiver, words, at + i * RECORD_WORDS);
      return;
    }
    if (!gathers) {
      this.onmessage(this.#take(words, at));
      return;
    }
    const messages = new Array<ReceivedDatagram>(count);
    for (let i = 0; i < count; i++) messages[i] = this.#take(words, at + i * RECORD_WORDS);
    this.onmessages(messages);
  }

  #take(words: Int32Array, at: number): ReceivedDatagram {
    const pool = this.reactor.shared.datagramBuffers();
    const name = words[at + DatagramWord.Name];
    const lengths = words[at + DatagramWord.Lengths];
    const data = ownCopy(pool, words[at + DatagramWord.Offset], words[at + DatagramWord.Length]);
    return {
      data,
      peer: this.#peers.find(pool, name, lengths & NAME_LENGTH),
      truncated: (lengths & DATAGRAM_TRUNCATED) !== 0,
      control: this.#control(pool, name, lengths),
      controlTruncated: (lengths & DATAGRAM_CONTROL_TRUNCATED) !== 0,
    };
  }

  /** Hands over the datagram of a record, borrowed. */
  #lend(receiver: DatagramReceiver, words: Int32Array, at: number): void {
    const pool = this.reactor.shared.datagramBuffers();
    const buffers = this.reactor.receivedDatagrams;
    const buffer = words[at + DatagramWord.Buffer];
    const name = words[at + DatagramWord.Name];
    const lengths = words[at + DatagramWord.Lengths];
    const peer = this.#peers.find(pool, name, lengths & NAME_LENGTH);
    const truncated = (lengths & DATAGRAM_TRUNCATED) !== 0;
    const control = this.#control(pool, name, lengths);
    const controlTruncated = (lengths & DATAGRAM_CONTROL_TRUNCATED) !== 0;
    const [length, offset] = [words[at + DatagramWord.Length], words[at + DatagramWord.Offset]];
    buffers.borrow(words, at, buffer);
    try {
      receiver.ondatagram(buffer, offset, length, peer, truncated, control, controlTruncated);
    } finally {
      buffers.handedOver();
    }
  }

  /** Control data, which lie behind the room for the name. */
  #control(pool: Buffer, name: number, lengths: number): Buffer | undefined {
    const length = (lengths >> CONTROL_LENGTH_SHIFT) & CONTROL_LENGTH;
    if (length === 0 && (lengths & DATAGRAM_CONTROL_TRUNCATED) === 0) return undefined;
    return ownCopy(pool, name + this.#nameRoom, length);
  }

  /** Callbacks of one record follow each other without microtasks in between, as core's do: they are ticks of one queue there. */
  sent(words: Int32Array, at: number): void {
    const status = words[at + CompletionWord.Result];
    const pending = this.#pending;
    while (words[at + SENT_WORD] > 0) {
      words[at + SENT_WORD]--;
      const { arena, region, length, place, report } = pending;
      pending.shift();
      if (arena >= 0) this.reactor.memory.arena.release(arena);
      if (region > 0) this.reactor.memory.reclaim(region);
      else if (region < 0) this.reactor.receivedDatagrams.letGo(~region);
      if (pending.count === 0) this.finish(Activity.Writing);
      report?.(status < 0 ? status : length, place);
    }
  }

  override complete(kind: Completion, result: number): void {
    if (kind === Completion.ReceiveFailed) this.onerror(result);
    else if (kind === Completion.Closed) this.end();
  }
}
/** Writes a destination, with its port unless that is in it. */
function writeName(memory: Uint8Array, at: number, name: Uint8Array, port: number): void {
  for (let i = 0; i < name.byteLength; i++) memory[at + i] = name[i]!;
  if (port === NO_PORT) return;
  memory[at + 2] = port >> 8;
  memory[at + 3] = port;
}
