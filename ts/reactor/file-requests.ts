/**
 * File operations under way: who waits for which.
 *
 * A token names the one who waits. While there are any, the process is kept alive, as a request of core's keeps it.
 */
/** What is known of a file when it has been opened, without anybody having been asked. */
export interface Found {
  /** `st_mode`. */
  readonly mode: number;
  /** Bytes. Only where it is `local` this is sure to be what the file has. */
  readonly size: number;
  /** Its status can be had without waiting for a network or a server. */
  readonly local: boolean;
}

/** Someone who waits for a file operation. */
export interface FileRequest {
  /** It is done: bytes or 0, or a negative errno. */
  done(result: number): void;
  /** For an open: the handle, and what was found. */
  opened?(handle: number, found: Found): void;
}

/** What keeps the process alive. */
interface Holder {
  hold(): void;
  unhold(): void;
}

/** So many places for operations are kept when none is under way any more. */
const KEPT_PLACES = 4096;

export class FileRequests {
  readonly #holder: Holder;
  readonly #waiting: (FileRequest | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  /** Operations under way. */
  get count(): number {
    return this.#count;
  }

  /** Enters someone who waits, and tells the reactor of it under a token. Where telling throws, nobody waits. */
  start(request: FileRequest, tell: (token: number) => void): void {
    const token = this.#enter(request);
    try {
      tell(token);
    } catch (error) {
      this.#leave(token);
      throw error;
    }
  }

  #enter(request: FileRequest): number {
    if (this.#count++ === 0) this.#holder.hold();
    const token = this.#free.pop() ?? this.#waiting.length;
    this.#waiting[token] = request;
    return token;
  }

  done(token: number, result: number): void {
    this.#leave(token)?.done(result);
  }

  opened(token: number, handle: number, found: Found): void {
    this.#leave(token)?.opened!(handle, found);
  }

  #leave(token: number): FileRequest | undefined {
    const request = this.#waiting[token];
    if (request === undefined) return undefined;
    this.#waiting[token] = undefined;
    this.#free.push(token);
    if (--this.#count === 0) {
      this.#holder.unhold();
      if (this.#waiting.length > KEPT_PLACES) this.#waiting.length = this.#free.length = 0;
    }
    return request;
  }
}
