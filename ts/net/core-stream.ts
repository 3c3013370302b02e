/**
 * Core's `JSStream`: a genuine `StreamBase`, which core's C++ (TLS, HTTP/2) takes over exactly as it takes the handle of a socket of its own, and whose
 * other end is JavaScript. It is not exported; a TLSSocket over a stream of JavaScript has one, and that is where it is found.
 */
import process from 'node:process';
import { coreModule } from '../core/module.ts';
import { define } from '../define.ts';

/** A write or shutdown of core's, to be finished exactly once. */
export type CoreRequest = object;

/** What a `JSStream` has from core. */
export interface CoreStream {
  /** Hears of bytes, and, without any, of the end, as long as nothing has taken the stream over. */
  get onread(): (bytes?: ArrayBuffer) => void;
  set onread(callback: (bytes?: ArrayBuffer) => void);
  /** Passes bytes, which are copied within the call, to what has taken the stream over. */
  readBuffer(bytes: Uint8Array): void;
  /** Tells it that nothing more will come. */
  emitEOF(): void;
  /** Tells what has become of a write: zero, or a negative errno. */
  finishWrite(request: CoreRequest, status: number): void;
  /** Tells what has become of a shutdown. */
  finishShutdown(request: CoreRequest, status: number): void;
}

export type CoreStreamClass = new () => CoreStream;

/** A TLSSocket, and its handle, as core sees them. */
export interface SecureSocket {
  readonly _handle: SecureHandle | null;
  readonly writableLength: number;
  /** Whether the handshake is still to be made. */
  readonly secureConnecting: boolean;
  destroy(error?: Error): unknown;
}
interface SecureHandle {
  _parent: CoreStream;
}

/** A stream that wants to know which TLS handle has taken it over. */
export interface Wrapped {
  wrappedBy: object | null;
}

let found: CoreStreamClass | null | undefined;
/** Under which a handle of core's has its socket. */
let kOwner: symbol | undefined;

/** The class; null where the runtime has none. The first call loads `node:tls`. */
export function findCoreStream(): CoreStreamClass | null {
  if (found === undefined) {
    try {
      found = find();
    } catch {
      found = null;
    }
  }
  return found;
}

function find(): CoreStreamClass | null {
  const { Duplex } = process.getBuiltinModule('node:stream');
  const tls = coreModule('node:tls');
  // Given authorities, even none, the context does without the system's, which take long to read.
  const secureContext = tls.createSecureContext({ ca: [] });
  const below = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const probe = new tls.TLSSocket(below, { secureContext }) as unknown as SecureSocket;
  const handle = probe._handle!;
  const Class = handle._parent.constructor as CoreStreamClass;
  kOwner = Object.getOwnPropertySymbols(handle).find((symbol) => symbol.description === 'owner_symbol');
  noteWrapping(Object.getPrototypeOf(handle) as object);
  probe.destroy();
  return typeof Class.prototype.readBuffer === 'function' && kOwner !== undefined ? Class : null;
}

/**
 * A `JSStream` cannot tell what has taken it over of an error of the connection: between core's own streams that goes from C++ to C++. So the TLSSocket
 * has to be known. Core notes down in `_parent` of each of its handles what it stands on, and that assignment is listened to here. The property becomes
 * what it would have been.
 */
function noteWrapping(handles: object): void {
  define(handles, '_parent', {
    set(this: object, value: object) {
      define(this, '_parent', { value, writable: true, enumerable: true, configurable: true });
      if ('wrappedBy' in value) (value as Wrapped).wrappedBy = this;
    },
    configurable: true,
  });
}

/** Notes down whose stream it is, where core's JavaScript looks for that. */
export function noteOwner(stream: CoreStream, socket: object): void {
  (stream as unknown as Record<symbol, object>)[kOwner!] = socket;
}

/** Whose handle it is, by the same: that of a socket of core's which has been given ours as its handle is that one's. */
export function ownerOf(handle: object): object | undefined {
  return (handle as Record<symbol, object | undefined>)[kOwner!];
}

/** The TLSSocket that has taken a stream over; undefined where none has. */
export function secureSocketOver({ wrappedBy }: Wrapped): SecureSocket | undefined {
  return wrappedBy === null ? undefined : (ownerOf(wrappedBy) as SecureSocket | undefined);
}
