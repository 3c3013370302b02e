/**
 * What `socket._handle` is: a stream of core's C++ (see `core-stream.ts`) whose other end is the socket's link, with the members that core's handles
 * have. Made for those who ask; a socket that nobody asks has none.
 *
 * TLS and HTTP/2 take it over as they take a handle of core's, and read and write past the socket: received bytes go from the ring's buffers into
 * {@link CoreStream.readBuffer}, which copies them; what core writes becomes one write of the link's handle (see `core-calls.ts`).
 * As long as nobody has taken the stream over, its bytes come out again at `onread`, and go to the socket as ever.
 */
import { tellEndpoint } from '../core/endpoint-info.ts';
import {
  findCoreStream,
  noteOwner,
  ownerOf,
  secureSocketOver,
  type CoreRequest,
  type CoreStream,
  type SecureSocket,
  type Wrapped,
} from './core-stream.ts';
import type { CoreHandle } from '../core/handles.ts';
import { guardHttp2 } from './core-http2.ts';
import type { Link } from './internals.ts';
import { kMakeSendable } from '../core/sent-away.ts';
import { currentTypeOfService, setKeepAlive, setNoDelay, setTypeOfService } from './settings.ts';

/** See the head of this file. */
export interface SocketStream extends CoreStream, Wrapped {
  /** The TLSSocket that has taken the stream over. */
  readonly secureSocket: SecureSocket | undefined;
  setNoDelay(enable: boolean): number;
  /** Delays in seconds. */
  setKeepAlive(enable: boolean, delay: number, interval?: number, count?: number): number;
}

interface SocketStreamClass {
  new (link: Link): SocketStream;
  linkOf(handle: unknown): Link | null;
}

let Class: SocketStreamClass | null | undefined;

/** What a writer in JavaScript calls. Native ones, as core's HTTP/2, do not: the requests of both look alike since Node 26. */
const WRITES = ['writeBuffer', 'writev', 'writeUtf8String', 'writeAsciiString', 'writeLatin1String', 'writeUcs2String'];

/** Whether one of them is under way. */
let writesFromJavaScript = false;

/** What core's HTTP has noted down on a socket that it reads as a stream. */
interface HttpSocket {
  readonly parser?: unknown;
  readonly _httpMessage?: unknown;
}

/**
 * The stream of a link, made for the first who asks; null where the runtime has no such streams.
 *
 * Who takes it over cannot be seen from here, so that bytes go through it from then on. Only core's HTTP asks all its sockets for it without need.
 */
export function streamOf(link: Link): SocketStream | null {
  if (link.stream === null) {
    if (Class === undefined) Class = define();
    if (Class === null) return null;
    guardHttp2();
    link.stream = new Class(link);
    const { parser, _httpMessage } = link.socket as HttpSocket;
    link.feedCore(!parser && !_httpMessage);
  }
  return link.stream;
}

/** The link whose stream this is; null for what is none of ours. */
export function linkOf(handle: unknown): Link | null {
  return Class?.linkOf(handle) ?? null;
}

type OnRead = CoreStream['onread'];

function define(): SocketStreamClass | null {
  const Base = findCoreStream();
  if (Base === null) return null;
  /** Core's own accessor, below the one here. */
  const setOnRead = (stream: CoreStream, callback: OnRead): void => {
    Reflect.set(Base.prototype as object, 'onread', callback, stream);
  };

  class JSStream extends Base implements SocketStream {
    wrappedBy: object | null = null;
    readonly #link: Link;
    #onread: OnRead;
    /** Whether {@link isStreamBase} was read for more than to read {@link _consumed} next. */
    #wanted = false;
    /** The same as of the last but one time. */
    #wantedBefore = false;

    constructor(link: Link) {
      super();
      this.#link = link;
      noteOwner(this, link.socket);
      this.#onread = (bytes) => link.takeBack(bytes === undefined);
      setOnRead(this, this.#onread);
    }

    /**
     * Who hears of bytes, and of the end. Core's agents put a guard here while a connection waits to be used again (from late versions of Node 22 on): what
     * comes then is the answer to nothing, and must not become that to the next request. Afterwards they put back what sockets of core's have here, as does a
     * socket of core's that is given this as its handle: that one is its owner then.
     */
    override get onread(): OnRead {
      return this.#onread;
    }
    override set onread(callback: OnRead) {
      const isPutBack = callback.name === 'onStreamRead' && ownerOf(this) === this.#link.socket;
      this.#onread = callback;
      setOnRead(this, isPutBack ? (bytes) => this.#link.takeBack(bytes === undefined) : callback);
      this.#link.feedCore(!isPutBack);
    }

    get secureSocket(): SecureSocket | undefined {
      return secureSocketOver(this);
    }

    // What core's C++ asks for.

    isClosing(): boolean {
      return this.#link.stale || this.#link.handle?.closed === true;
    }

    onreadstart(): number {
      this.#link.startReading();
      return 0;
    }

    onreadstop(): number {
      this.#link.stopReading();
      return 0;
    }

    onwrite(request: CoreRequest, chunks: Uint8Array[]): number {
      return this.#link.writeForCore(request, chunks, writesFromJavaScript);
    }

    onshutdown(request: CoreRequest): number {
      return this.#link.shutdownForCore(request);
    }

    // What core's JavaScript asks for.

    /** Whoever in core is about to take a handle over looks at this first. From here on bytes come this way. */
    get isStreamBase(): boolean {
      this.#wantedBefore = this.#wanted;
      this.#wanted = true;
      this.#link.feedCore(true);
      return true;
    }

    /**
     * Whether an HTTP parser has taken the handle over, which only core's HTTP server asks, to let it. Over these streams that gains nothing (0.66 of the
     * CPU time of core's sockets, 0.61 without), so it is told that another has.
     */
    get _consumed(): boolean {
      this.#wanted = this.#wantedBefore;
      this.#link.feedCore(this.#wanted);
      return true;
    }

    /** Whether data is wanted. Core notes that down on its handles; here the link knows. */
    get reading(): boolean {
      return this.#link.reading;
    }
    set reading(_wanted: boolean) {}

    get fd(): number {
      return this.#link.handle?.fd() ?? -1;
    }

    get bytesRead(): number {
      return this.#link.handle?.bytesRead ?? 0;
    }

    get bytesWritten(): number {
      return this.#link.handle?.bytesWritten ?? 0;
    }

    get writeQueueSize(): number {
      return this.#link.handle?.writeQueueSize ?? 0;
    }

    ref(): void {
      this.#link.reference(true);
    }

    unref(): void {
      this.#link.reference(false);
    }

    hasRef(): boolean {
      return this.#link.referenced;
    }

    /** Closes the descriptor without a word to the socket. */
    close(callback?: () => void): void {
      this.#link.closeHandle(callback, false);
    }

    /** The same, such that the peer sees a reset. */
    reset(callback?: () => void): number {
      return this.#link.closeHandle(callback, true);
    }

    getsockname(result: object): number {
      return tellEndpoint(this.#link.handle?.localEndpoint(), result);
    }

    getpeername(result: object): number {
      return tellEndpoint(this.#link.handle?.peerEndpoint(), result);
    }

    static linkOf(handle: unknown): Link | null {
      return typeof handle === 'object' && handle !== null && #link in handle ? handle.#link : null;
    }

    [kMakeSendable](): CoreHandle {
      return this.#link.makeSendable();
    }

    setNoDelay(enable: boolean): number {
      return setNoDelay(this.#link, enable);
    }

    /** Delays in seconds. */
    setKeepAlive(enable: boolean, delay: number, interval?: number, count?: number): number {
      return setKeepAlive(this.#link, { enable, delay, interval, count });
    }

    setTypeOfService(value: number): number {
      return setTypeOfService(this.#link, value);
    }

    getTypeOfService(): number {
      return currentTypeOfService(this.#link.socket);
    }
  }
  for (const name of WRITES) noteWriter(JSStream.prototype as unknown as Record<string, Write>, name);
  return JSStream;
}

type Write = (this: object, ...args: unknown[]) => unknown;

function noteWriter(streams: Record<string, Write>, name: string): void {
  const write = streams[name];
  streams[name] = function (...args) {
    writesFromJavaScript = true;
    try {
      return Reflect.apply(write, this, args);
    } finally {
      writesFromJavaScript = false;
    }
  };
}
