/** A listening socket. */
import { Completion } from './protocol.ts';
import type { Reactor } from './reactor.ts';
import { getReactor } from './thread-reactor.ts';
import { nothing, Activity, openSocket, SocketHandle, type SocketKind } from './socket-handle.ts';
import { StreamHandle } from './stream-handle.ts';

export class ListenHandle extends SocketHandle {
  override owner: unknown = undefined;
  /**
   * Whether other processes may have the socket too. What the kernel has accepted here when it is closed is nobody else's, so that it is told of even then;
   * where the socket is this process's alone, closing resets what waits, as with core.
   */
  shared = false;
  /** A connection was accepted. It does not read until told to. */
  onaccept: (peer: StreamHandle) => void = nothing;
  /** The listener has stopped accepting, because of this error. What is momentary (no descriptors left, a connection reset in the queue) is dealt with, not reported. */
  onaccepterror: (status: number) => void = nothing;

  /** `socket(2)`: a handle, or a negative errno. */
  static open(kind: SocketKind): ListenHandle | number {
    const reactor = getReactor();
    const id = openSocket(reactor, kind, true);
    return id < 0 ? id : new ListenHandle(reactor, id);
  }

  /** Takes over an open stream socket, which may listen already; `-EEXIST` where a handle has it, of ours or one of core's that uses it. */
  static adopt(fd: number): ListenHandle | number {
    const reactor = getReactor();
    const id = reactor.native.adopt(fd, true, false);
    if (id < 0) return id;
    const handle = new ListenHandle(reactor, id);
    handle.shared = true;
    return handle;
  }

  override get resourceName(): string {
    return 'TCPServerWrap';
  }

  private constructor(reactor: Reactor, id: number) {
    super(reactor, id);
  }

  /** `listen(2)`; connections are accepted from then on. */
  listen(backlog: number): number {
    const status = this.reactor.native.listen(this.id, backlog);
    this.reactor.commands.scheduleFlush();
    if (status === 0) this.begin(Activity.Listening);
    return status;
  }

  /** As core's, the port is free again when this returns. @returns how often `onaccept` is still to be called */
  override close(): number {
    if (this.closed) return 0;
    super.close();
    const accepted = this.reactor.native.closeNow(this.id);
    return this.shared ? accepted : 0;
  }

  override complete(kind: Completion, result: number): void {
    switch (kind) {
      case Completion.Accepted:
        this.#accepted(result);
        break;
      case Completion.AcceptFailed:
        this.onaccepterror(result);
        break;
      case Completion.Closed:
        this.end();
        break;
      default:
        break; // Not this handle's.
    }
  }

  #accepted(id: number): void {
    const peer = StreamHandle.wrap(this.reactor, id);
    if (this.closed && !this.shared) peer.reset();
    else this.onaccept(peer);
  }
}
