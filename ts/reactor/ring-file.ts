/**
 * An open file of the ring. Results are negative errnos on failure; nothing here throws on an I/O error.
 *
 * It must not be closed while something is under way on it: that is for its owner to see to.
 */
import { EAGAIN } from '../errors/errno.ts';
import type { FileRequest } from './file-requests.ts';
import { Command, FileOpKind } from './protocol.ts';
import type { Reactor } from './reactor.ts';
import { getReactor } from './thread-reactor.ts';

/** Longest read that is tried at once: beyond it the copying takes longer than what could be saved. */
const MAX_NOWAIT = 64 * 1024;

/** Who waits for an operation to which a view is lent until it is done. */
export interface LendingRequest extends FileRequest {
  /** Under which the view is lent; set when the operation is started. Whoever waits gives it back ({@link RingFile.reclaim}). */
  region: number;
}

/** One that gives the view back and passes the result on. */
class Lending implements LendingRequest {
  region = 0;
  readonly #reactor: Reactor;
  readonly #request: FileRequest;

  constructor(reactor: Reactor, request: FileRequest) {
    this.#reactor = reactor;
    this.#request = request;
  }

  done(result: number): void {
    this.#reactor.memory.reclaim(this.region);
    this.#request.done(result);
  }
}

/** Lends a view and starts what it is lent to. Where that throws, nothing is lent. */
function lendTo<Request extends LendingRequest>(
  reactor: Reactor,
  view: Uint8Array,
  request: Request,
  start: (request: Request) => void,
): void {
  request.region = reactor.memory.lend(view);
  try {
    start(request);
  } catch (error) {
    reactor.memory.reclaim(request.region);
    throw error;
  }
}

/** The bytes of any view, as the reactor wants them. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export class RingFile {
  readonly #reactor: Reactor;
  /** The number by which Rust knows the file. */
  readonly id: number;

  constructor(reactor: Reactor, id: number) {
    this.#reactor = reactor;
    this.id = id;
  }

  /** Takes over an open descriptor; a negative errno where it is none. */
  static adopt(fd: number): RingFile | number {
    const reactor = getReactor();
    const id = reactor.native.adoptFile(fd);
    return id < 0 ? id : new RingFile(reactor, id);
  }

  /** The descriptor's number. */
  fd(): number {
    return this.#reactor.native.fd(this.id);
  }

  /**
   * Reads into a view. Regular files give all that is asked for unless they end.
   *
   * @param length 0 to 2^31 - 1
   * @param position negative for the file's own
   * @param linked the next operation starts only when this one has read everything
   */
  read(view: Uint8Array, offset: number, length: number, position: number | bigint, request: FileRequest, linked = false): void {
    this.#transfer(linked ? Command.FileReadLinked : Command.FileRead, view, offset, length, position, request);
  }

  /** Writes from a view; parameters as for {@link read}. */
  write(view: Uint8Array, offset: number, length: number, position: number | bigint, request: FileRequest, linked = false): void {
    this.#transfer(linked ? Command.FileWriteLinked : Command.FileWrite, view, offset, length, position, request);
  }

  #transfer(
    kind: Command,
    view: Uint8Array,
    offset: number,
    length: number,
    position: number | bigint,
    request: FileRequest,
  ): void {
    this.#lend(kind, view, offset, length, position, new Lending(this.#reactor, request));
  }

  #lend(
    kind: Command,
    view: Uint8Array,
    offset: number,
    length: number,
    position: number | bigint,
    request: LendingRequest,
  ): void {
    lendTo(this.#reactor, view, request, (waiting) => this.#tell(kind, waiting.region, offset, length, position, waiting));
  }

  #tell(kind: Command, region: number, offset: number, length: number, position: number | bigint, request: FileRequest): void {
    const reactor = this.#reactor;
    reactor.files.start(request, (token) =>
      reactor.commands.writeTransfer(kind, this.id, region, offset, length, token, position),
    );
  }

  /**
   * Reads at once a little that lies in the page cache. It overtakes what is under way on the file.
   *
   * @returns the number of bytes, or a negative errno: then {@link read} is to be asked.
   */
  readNowait(view: Uint8Array, offset: number, length: number, position: number): number {
    const reactor = this.#reactor;
    if (length > MAX_NOWAIT || reactor.readBudget.grant(length, 1) === 0) return -EAGAIN;
    const count = reactor.readNowait(this.id, view, offset, length, position);
    if (count < 0) reactor.readBudget.refuse();
    return count;
  }

  /**
   * Reads pieces of `size` bytes at once, from the first position on, as far as they lie in the page cache; otherwise as {@link readNowait}.
   *
   * @param counts for what was read, the bytes of each piece
   * @returns the number of pieces that were read; the rest is to be asked for
   */
  readManyNowait(view: Uint8Array, positions: Float64Array, size: number, counts: Int32Array): number {
    const reactor = this.#reactor;
    const most = size > MAX_NOWAIT ? 0 : reactor.readBudget.grant(size, positions.length);
    if (most === 0) return 0;
    const read = reactor.readManyNowait(this.id, view, positions, size, counts, most);
    if (read < most) reactor.readBudget.refuse();
    return read;
  }

  /** A transfer that lends the view to `request` itself, which gives it back: one object less than {@link read} and {@link write}. */
  transfer(
    write: boolean,
    view: Uint8Array,
    offset: number,
    length: number,
    position: number | bigint,
    request: LendingRequest,
  ): void {
    this.#lend(write ? Command.FileWrite : Command.FileRead, view, offset, length, position, request);
  }

  /** A transfer of a piece of what is lent under `region` already. */
  transferPiece(
    write: boolean,
    region: number,
    offset: number,
    length: number,
    position: number | bigint,
    request: FileRequest,
  ): void {
    this.#tell(write ? Command.FileWrite : Command.FileRead, region, offset, length, position, request);
  }

  /** Lends a view: its region. */
  lend(view: Uint8Array): number {
    return this.#reactor.memory.lend(view);
  }

  /** Takes a view back. */
  reclaim(region: number): void {
    this.#reactor.memory.reclaim(region);
  }

  /** `fsync(2)`, or `fdatasync(2)`. */
  sync(dataOnly: boolean, request: FileRequest, linked = false): void {
    fileCall(dataOnly ? FileOpKind.DataSync : FileOpKind.Sync, this.id, null, null, 0, 0, 0, request, linked);
  }

  /** `ftruncate(2)`; `-EINVAL` before Linux 6.9. */
  truncate(length: number, request: FileRequest, linked = false): void {
    fileCall(FileOpKind.Truncate, this.id, null, null, length, 0, 0, request, linked);
  }

  /** `fallocate(2)`. */
  allocate(mode: number, offset: number, length: number, request: FileRequest, linked = false): void {
    fileCall(FileOpKind.Allocate, this.id, null, null, mode, offset, length, request, linked);
  }

  /** `posix_fadvise(2)`. */
  advise(advice: number, offset: number, length: number, request: FileRequest): void {
    fileCall(FileOpKind.Advise, this.id, null, null, advice, offset, length, request);
  }

  /** Sets the io priority of reads and writes. */
  prioritize(priority: number): void {
    this.#reactor.native.prioritizeFile(this.id, priority);
  }

  /** Gives the descriptor away: its number. A negative errno while something is under way. */
  release(): number {
    return this.#reactor.native.releaseFile(this.id);
  }

  /** `close(2)`. */
  close(request: FileRequest): void {
    const reactor = this.#reactor;
    reactor.files.start(request, (token) => reactor.commands.write(Command.FileClose, this.id, token));
  }
}

/** Starts a call that fills a view or takes its bytes: the numbers are `flags`, the view's region and its length. It is lent until the call is done. */
export function lendingCall(
  kind: FileOpKind,
  handle: number,
  path: string | Uint8Array | null,
  other: string | Uint8Array | null,
  flags: number,
  view: Uint8Array,
  request: FileRequest,
): void {
  const reactor = getReactor();
  lendTo(reactor, view, new Lending(reactor, request), (waiting) =>
    fileCall(kind, handle, path, other, flags, waiting.region, view.length, waiting),
  );
}

/** Ends a chain whose last step was said to have a next one. The request fails with `-EBADF`: it is about no file. */
export function endChain(request: FileRequest): void {
  fileCall(FileOpKind.Sync, -1, null, null, 0, 0, 0, request);
}

/** Starts a call; see {@link FileOpKind} for what the arguments mean. Paths have no zero bytes in them. */
export function fileCall(
  kind: FileOpKind,
  handle: number,
  path: string | Uint8Array | null,
  other: string | Uint8Array | null,
  a: number,
  b: number,
  c: number,
  request: FileRequest,
  linked = false,
): void {
  const reactor = getReactor();
  reactor.files.start(request, (token) => {
    const status = reactor.native.fileCall(kind, token, handle, path, other, a, b, c, linked);
    if (status < 0) void Promise.resolve().then(() => reactor.files.done(token, status));
  });
  reactor.commands.scheduleFlush();
}
