/** A socket of core's with the face of a handle of the ring: what connections stand on where io_uring is refused. */
import { Buffer } from 'node:buffer';
import type core from 'node:net';
import { constants } from 'node:os';
import { takeCoreHandle, type CoreHandle } from './core-handle.ts';
import { statusOf } from './core-status.ts';
import { SocketOption } from '../reactor/index.ts';
import type { Settable } from '../socket-options.ts';
import { nextTick } from '../timers.ts';
import type { Endpoint, StreamListener, TransportStream } from './stream.ts';

const { EBADF, ECANCELED, ENOPROTOOPT, ENOTCONN } = constants.errno;

/** What core has a function for. */
const SET_BY_CORE: ReadonlySet<SocketOption> = new Set([
  SocketOption.NoDelay,
  SocketOption.KeepAlive,
  SocketOption.KeepIdle,
  SocketOption.ReusePort,
  SocketOption.ReuseAddress,
]);

/** Sets nothing, and tells whether core could: before there is a socket. */
export const CORE_COULD: Settable = {
  setOption(option, value) {
    // Core always shares it.
    const isLacking = option === SocketOption.ReuseAddress && value === 0;
    return SET_BY_CORE.has(option) && !isLacking ? 0 : -ENOPROTOOPT;
  },
};

export class CoreStream implements TransportStream {
  listener!: StreamListener;
  borrows = false;
  onclose: () => void = () => {};
  ontaken: (() => void) | undefined = undefined;
  readonly #socket: core.Socket;
  #ended = false;
  #keepAlive = false;

  /** @param socket half-open and paused */
  constructor(socket: core.Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.listener.onread(bytes));
    socket.on('end', () => this.#end(0));
    socket.on('error', (error) => this.#end(statusOf(error)));
    socket.on('close', () => this.onclose());
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  get writeQueueSize(): number {
    return this.#socket.writableLength;
  }

  readStart(): void {
    this.#socket.resume();
  }

  readStop(): void {
    this.#socket.pause();
  }

  readCease(): void {
    this.#socket.pause();
    nextTick(() => this.#end(-ECANCELED));
  }

  /** Takes the connection out of the socket, which tells of what it has read before. */
  takeHandle(): CoreHandle {
    const handle = takeCoreHandle(this.#socket);
    while (this.#socket.read() !== null);
    return handle;
  }

  write(bytes: Uint8Array): boolean {
    let over = false;
    this.#socket.write(bytes, (error) => {
      if (!error) this.ontaken?.();
      if (!over) this.listener.onwrite(statusOf(error));
      else if (error) this.listener.onwriteerror(statusOf(error));
    });
    return (over = this.#socket.writableLength === 0);
  }

  writev(chunks: readonly Uint8Array[]): boolean {
    return this.write(Buffer.concat(chunks));
  }

  writeCopied(bytes: Uint8Array): boolean {
    return this.write(Buffer.from(bytes));
  }

  /** There are no receive buffers here. */
  writeReceived(): boolean {
    return true;
  }

  shutdown(): void {
    this.#socket.end(((error?: Error | null) => this.listener.onshutdown(statusOf(error))) as () => void);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Core resets TCP alone, and only while the sending half is open: behind its end the socket would stay open, and nobody would hear of it. */
  reset(): number {
    const socket = this.#socket;
    if (socket.localFamily === undefined || socket.writableEnded) socket.destroy();
    else socket.resetAndDestroy();
    return 0;
  }

  fd(): number {
    return (this.#socket as unknown as { _handle?: { fd: number } | null })._handle?.fd ?? -EBADF;
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  localEndpoint(): Endpoint | number {
    return toEndpoint(this.#socket.localFamily, this.#socket.localAddress, this.#socket.localPort);
  }

  peerEndpoint(): Endpoint | number {
    return toEndpoint(this.#socket.remoteFamily, this.#socket.remoteAddress, this.#socket.remotePort);
  }

  setNoDelay(wanted: boolean): number {
    this.#socket.setNoDelay(wanted);
    return 0;
  }

  setOption(option: SocketOption, value: number): number {
    switch (option) {
      case SocketOption.NoDelay:
        return this.setNoDelay(value !== 0);
      case SocketOption.KeepAlive:
        this.#socket.setKeepAlive((this.#keepAlive = value !== 0));
        return 0;
      // Core sets the time with the switch alone.
      case SocketOption.KeepIdle:
        if (this.#keepAlive) this.#socket.setKeepAlive(true, value * 1000);
        return 0;
      default:
        return CORE_COULD.setOption(option, value);
    }
  }

  #end(status: number): void {
    if (this.#ended && status === 0) return;
    this.#ended = true;
    this.listener.onend(status);
  }
}

/** An end as the ring tells of it. Core does not tell the path of a UNIX-domain one. */
function toEndpoint(family: string | undefined, address: string | undefined, port: number | undefined): Endpoint | number {
  if (address === undefined || port === undefined) return -ENOTCONN;
  return { family: family === 'IPv6' ? 6 : 4, address, port };
}
