/** A UDP socket of core's with the face of a handle of the ring: what datagram sockets stand on where io_uring is refused. */
import { Buffer } from 'node:buffer';
import type core from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import { constants, networkInterfaces } from 'node:os';
import { SocketOption, type DatagramReceiver } from '../reactor/index.ts';
import { nextTick } from '../timers.ts';
import { attempt, statusOf } from './core-status.ts';
import type { DatagramPort, Endpoint, Peer, ReceivedDatagram, SentReport } from './datagram-port.ts';

const { EBADF, ECANCELED, EINVAL, ENODEV, ENOPROTOOPT } = constants.errno;

/** Bytes that wait while nothing is received, since core cannot be told to stop: about what a socket's receive buffer holds. What comes beyond is dropped. */
const WAITING_LIMIT = 208 * 1024;

/** Those to core have no `sockaddr`. */
const NAMELESS = new Uint8Array(0);

/** A datagram that core has not told of. */
interface Waiting {
  readonly report: SentReport;
  readonly place: number;
}

export class CoreDatagrams implements DatagramPort {
  /** Nothing is lent here. */
  receiver: DatagramReceiver | undefined = undefined;
  onmessage: (message: ReceivedDatagram) => void = () => {};
  onerror: (status: number) => void = () => {};
  onclose: () => void = () => {};
  readonly #socket: core.Socket;
  readonly #sends = new Set<Waiting>();
  #receiving = false;
  readonly #waiting: ReceivedDatagram[] = [];
  #waitingBytes = 0;
  #closed = false;

  /** @param socket bound */
  constructor(socket: core.Socket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer, { address, family, port }: core.RemoteInfo) => {
      const peer: Peer = { address, family, port, name: NAMELESS };
      this.#arrived({ data, peer, truncated: false, control: undefined, controlTruncated: false });
    });
    socket.on('error', (error) => this.onerror(statusOf(error)));
    socket.on('close', () => {
      // Core forgets what it was still looking an address up for.
      const forgotten = [...this.#sends];
      // What it tells of after all is told of already.
      this.#sends.clear();
      for (const { report, place } of forgotten) report(-ECANCELED, place);
      this.onclose();
    });
  }

  receiveStart(): void {
    this.#receiving = true;
    // Not within the call, and only for as long as nobody has had enough.
    nextTick(() => {
      while (this.#receiving && this.#waiting.length > 0) {
        const message = this.#waiting.shift()!;
        this.#waitingBytes -= message.data.length;
        this.onmessage(message);
      }
    });
  }

  receiveStop(): void {
    this.#receiving = false;
  }

  transmit(bytes: Uint8Array, to: Peer | undefined, _segment: number, report: SentReport, place: number): number {
    const waiting: Waiting = { report, place };
    const done = (error: Error | null, sent: number): void => {
      if (!this.#sends.delete(waiting)) return;
      report(error ? statusOf(error) : sent, place);
    };
    this.#sends.add(waiting);
    const status = attempt(() => {
      if (to === undefined) this.#socket.send(bytes, done);
      else this.#socket.send(bytes, to.port, to.address, done);
    });
    if (status < 0) this.#sends.delete(waiting);
    return status;
  }

  sendCopied(bytes: Uint8Array, to: Peer | undefined, segment: number, report: SentReport, place: number): number {
    return this.transmit(Buffer.from(bytes), to, segment, report, place);
  }

  /** There are no receive buffers here, but a stream's payload on the ring cannot get here either. */
  sendReceived(): number {
    return -EINVAL;
  }

  setOption(option: SocketOption, value: number): number {
    const socket = this.#socket;
    switch (option) {
      // Said when it was made.
      case SocketOption.ReuseAddress:
      case SocketOption.ReusePort:
        return 0;
      case SocketOption.RecvBuffer:
        return attempt(() => socket.setRecvBufferSize(value));
      case SocketOption.SendBuffer:
        return attempt(() => socket.setSendBufferSize(value));
      case SocketOption.UnicastHops:
        return attempt(() => socket.setTTL(value));
      case SocketOption.Broadcast:
        return attempt(() => socket.setBroadcast(value !== 0));
      case SocketOption.MulticastHops:
        return attempt(() => socket.setMulticastTTL(value));
      case SocketOption.MulticastLoop:
        return attempt(() => socket.setMulticastLoopback(value !== 0));
      case SocketOption.MulticastInterface:
        return this.#onInterface(value, (address) => attempt(() => socket.setMulticastInterface(address!)));
      default:
        return -ENOPROTOOPT;
    }
  }

  membership(join: boolean, group: string, source?: string, address?: string, index?: number): number {
    return this.#onInterface(index, (found = address) =>
      attempt(() => {
        const socket = this.#socket;
        if (source === undefined && join) socket.addMembership(group, found);
        else if (source === undefined) socket.dropMembership(group, found);
        else if (join) socket.addSourceSpecificMembership(source, group, found);
        else socket.dropSourceSpecificMembership(source, group, found);
      }),
    );
  }

  multicastInterface(address: string): number {
    return attempt(() => this.#socket.setMulticastInterface(address));
  }

  localEndpoint(): Endpoint | number {
    return this.#endpoint(() => this.#socket.address());
  }

  peerEndpoint(): Endpoint | number {
    return this.#endpoint(() => this.#socket.remoteAddress());
  }

  fd(): number {
    return -EBADF;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#receiving = false;
    this.#socket.close();
  }

  ref(): void {
    if (!this.#closed) this.#socket.ref();
  }

  unref(): void {
    if (!this.#closed) this.#socket.unref();
  }

  #arrived(message: ReceivedDatagram): void {
    if (this.#closed) return;
    if (this.#receiving && this.#waiting.length === 0) {
      this.onmessage(message);
      return;
    }
    const { length } = message.data;
    if (this.#waitingBytes + length > WAITING_LIMIT) return;
    this.#waitingBytes += length;
    this.#waiting.push(message);
  }

  #endpoint(ask: () => { address: string; family: string; port: number }): Endpoint | number {
    try {
      const { address, family, port } = ask();
      return { address, port, family: family === 'IPv6' ? 6 : 4 };
    } catch (error) {
      return statusOf(error);
    }
  }

  /** Core names interfaces by their addresses. */
  #onInterface(index: number | undefined, work: (address?: string) => number): number {
    if (index === undefined) return work();
    const address = addressOf(index, this.#socket.address().family === 'IPv6');
    return address === undefined ? -ENODEV : work(address);
  }
}

/** An IPv4 address of the interface of this index, or the IPv6 address that stands for it. */
function addressOf(index: number, v6: boolean): string | undefined {
  let name: string | undefined;
  try {
    const folder = '/sys/class/net';
    name = readdirSync(folder).find((one) => Number(readFileSync(`${folder}/${one}/ifindex`, 'latin1')) === index);
  } catch {
    // Not Linux: nobody tells.
  }
  if (name === undefined) return undefined;
  return v6 ? `::%${name}` : networkInterfaces()[name]?.find(({ family }) => family === 'IPv4')?.address;
}
