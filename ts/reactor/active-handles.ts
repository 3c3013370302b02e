/**
 * `process.getActiveResourcesInfo()` and `process._getActiveHandles()`, by which tools find out what holds a process, tell of open sockets and servers of the
 * ring too, by core's names. Core's functions know libuv's handles, and of those there are none here.
 */
import process from 'node:process';
import type { SocketHandle } from './socket-handle.ts';
import { besideReactor, referencedHandles } from './thread-reactor.ts';

/** Every handle is one. */
const socketHandles = (): SocketHandle[] => referencedHandles() as SocketHandle[];

interface Tellers {
  _getActiveHandles?: () => object[];
  getActiveResourcesInfo?: () => string[];
}

/** Whom core's functions ask, too: each instance of this package that has a reactor. They are replaced once, whatever instances come and go. */
const ASKED = Symbol.for('iouring-transport.active-handles');

type Asked = Set<() => SocketHandle[]>;

/** Has them told of. For who makes handles. */
export function showActiveHandles(): void {
  besideReactor(show);
}

function show(): () => void {
  const asked = ((process as { [ASKED]?: Asked })[ASKED] ??= replaceTellers());
  asked.add(socketHandles);
  return () => asked.delete(socketHandles);
}

function replaceTellers(): Asked {
  const asked: Asked = new Set();
  const tellers = process as unknown as Tellers;
  const { _getActiveHandles: handles, getActiveResourcesInfo: resources } = tellers;
  const all = (): SocketHandle[] => [...asked].flatMap((each) => each());
  if (handles !== undefined) {
    tellers._getActiveHandles = function _getActiveHandles() {
      return [...handles.call(this), ...all().flatMap(ownerOf)];
    };
  }
  if (resources !== undefined) {
    tellers.getActiveResourcesInfo = function getActiveResourcesInfo() {
      return [...resources.call(this), ...all().map(nameOf)];
    };
  }
  return asked;
}

/** The socket or server; a connection has it by way of its owner, and may have none yet. */
function ownerOf({ owner }: SocketHandle): object[] {
  const { socket } = owner as { socket?: object };
  if (socket !== undefined) return [socket];
  return owner !== undefined && 'on' in (owner as object) ? [owner as object] : [];
}

function nameOf(handle: SocketHandle): string {
  const own = handle.localEndpoint();
  return typeof own === 'object' && 'path' in own ? 'PipeWrap' : handle.resourceName;
}
