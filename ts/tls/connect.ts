/**
 * `tls.connect()`: our socket below core's TLSSocket, which takes its handle over.
 */
import core, { type ConnectionOptions, type TLSSocket } from 'node:tls';
import net, { type OnReadOpts, type Socket } from 'node:net';
import { isUint8Array } from 'node:util/types';
import { normalizeArguments } from '../net/arguments.ts';
import { Socket as RingSocket } from '../net/uring.ts';

/** What happens on the way to a connection, for those who listen on the TLSSocket. */
const ON_THE_WAY = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout', 'ready'];

type Options = ConnectionOptions & { onread?: OnReadOpts; allowHalfOpen?: boolean };

/** `(options[, cb])`, `(path[, options][, cb])` or `(port[, host][, options][, cb])`. */
export function connect(...args: any[]): TLSSocket {
  const [given, callback] = normalizeArguments(args);
  const further = args.slice(1, 3).find((argument) => typeof argument === 'object' && argument !== null) as object | undefined;
  const options = { ...given, ...further } as Options;
  const done = callback ?? undefined;
  if (options.socket) return core.connect(options, done);
  const { onread } = options;
  // Where the caller's buffer cannot be had, core's own socket has to do.
  if (isOnread(onread) && bufferKeys() === null) return core.connect(options, done);

  const below = new SocketBelow(options.allowHalfOpen);
  const secured = connectBelow(below.socket, options, done);
  below.secure(secured);
  if (options.timeout) secured.setTimeout(options.timeout);
  if (isOnread(onread)) useBuffer(secured, onread);
  return secured;
}

/** Starts connecting `socket`, and has core put TLS on it. Core looks at the options of TLS first: an error of theirs comes before any other. */
function connectBelow(socket: Socket, options: Options, done: (() => void) | undefined): TLSSocket {
  // One that has failed already has no handle to take over any more, so that it has to be under way.
  try {
    socket.connect(options as never);
    return core.connect({ ...options, socket }, done);
  } catch (error) {
    socket.destroy();
    core.connect({ ...options, socket: new net.Socket() }).destroy();
    throw error;
  }
}

/**
 * A socket that nobody but one TLSSocket knows. What fails in it fails there, as it does in core, where a TLSSocket that connects has no socket below.
 */
class SocketBelow {
  readonly socket: Socket;
  #secured: TLSSocket | null = null;
  #failed: Error | null = null;

  constructor(allowHalfOpen: boolean | undefined) {
    this.socket = new RingSocket({ allowHalfOpen: Boolean(allowHalfOpen) });
    const { destroy } = this.socket;
    this.socket.destroy = (error) => {
      if (error === undefined || error === null || this.socket.destroyed) destroy.call(this.socket);
      else if (this.#secured === null) this.#failed ??= error;
      else this.#secured.destroy(error);
      return this.socket;
    };
  }

  /** Tells what is above. */
  secure(secured: TLSSocket): void {
    this.#secured = secured;
    if (this.#failed !== null) secured.destroy(this.#failed);
    for (const event of ON_THE_WAY) this.socket.on(event, (...args: unknown[]) => secured.emit(event, ...args));
    Object.defineProperty(secured, 'autoSelectFamilyAttemptedAddresses', {
      get: () => (this.socket as { autoSelectFamilyAttemptedAddresses?: string[] }).autoSelectFamilyAttemptedAddresses,
      configurable: true,
      enumerable: true,
    });
  }
}

/** Where a socket of core's has what its `onread` option says. */
interface BufferKeys {
  readonly buffer: symbol;
  readonly generator: symbol;
  readonly callback: symbol;
}

let keys: BufferKeys | null | undefined;

function bufferKeys(): BufferKeys | null {
  if (keys === undefined) {
    const own = Object.getOwnPropertySymbols(new net.Socket());
    const find = (name: string) => own.find((symbol) => symbol.description === name);
    const [buffer, generator, callback] = [find('kBuffer'), find('kBufferGen'), find('kBufferCb')];
    keys = buffer && generator && callback ? { buffer, generator, callback } : null;
  }
  return keys;
}

/** Whether core would read into buffers of the caller's. */
function isOnread(option: OnReadOpts | undefined): option is OnReadOpts {
  if (option === undefined || option === null || typeof option !== 'object') return false;
  const usable = isUint8Array(option.buffer) || typeof option.buffer === 'function';
  return usable && typeof option.callback === 'function';
}

/** Core reads the option only where it makes the socket below itself. */
function useBuffer(secured: TLSSocket, { buffer, callback }: OnReadOpts): void {
  const { buffer: kBuffer, generator, callback: kCallback } = bufferKeys()!;
  const inside = secured as unknown as Record<symbol, unknown> & { _handle: { useUserBuffer(buffer: Uint8Array): void } | null };
  const first: unknown = typeof buffer === 'function' ? buffer() : buffer;
  inside[generator] = typeof buffer === 'function' ? buffer : null;
  inside[kCallback] = callback;
  inside[kBuffer] = isUint8Array(first) ? first : true;
  if (isUint8Array(first)) inside._handle?.useUserBuffer(first);
}
