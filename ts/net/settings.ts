/**
 * Socket options that can be asked for before there is a socket: remembered, and set when the connection stands.
 */
import { constants } from 'node:os';
import { SocketOption, type StreamHandle } from '../reactor/index.ts';
import { kLink, kSettings, type NetSocket, type Settings } from './internals.ts';

/** Seconds between probes, and how many go unanswered before the peer counts as gone: what libuv sets along with the delay. */
const KEEP_ALIVE_INTERVAL = 1;
const KEEP_ALIVE_PROBES = 10;

/** Nothing asked for. Shared by all sockets that stay with it. */
export const NO_SETTINGS: Readonly<Settings> = Object.freeze({
  noDelay: false,
  keepAlive: false,
  keepAliveDelay: 0,
  typeOfService: -1,
});

/** Changes what a socket remembers. */
export function remember(socket: NetSocket, change: Partial<Settings>): void {
  socket[kSettings] = { ...socket[kSettings], ...change };
}

/** Sets on a fresh connection what was asked for. UNIX-domain sockets have none of these options. */
export function applySettings(socket: NetSocket, handle: StreamHandle): void {
  const { noDelay, keepAlive, keepAliveDelay, typeOfService } = socket[kSettings];
  if (socket[kSettings] === NO_SETTINGS || socket[kLink]!.unix) return;
  if (noDelay) handle.setOption(SocketOption.NoDelay, 1);
  if (keepAlive) setKeepAlive(handle, true, keepAliveDelay);
  if (typeOfService >= 0) handle.setOption(SocketOption.TypeOfService, typeOfService);
}

/** `socket.setNoDelay()`. */
export function changeNoDelay(socket: NetSocket, enable: boolean): void {
  const handle = settableHandle(socket);
  if (handle === undefined || enable === socket[kSettings].noDelay) return;
  remember(socket, { noDelay: enable });
  handle?.setOption(SocketOption.NoDelay, enable ? 1 : 0);
}

/** `socket.setKeepAlive()`. `delay` in seconds; 0 leaves the system's. */
export function changeKeepAlive(socket: NetSocket, enable: boolean, delay: number): void {
  const handle = settableHandle(socket);
  const { keepAlive, keepAliveDelay } = socket[kSettings];
  if (handle === undefined || (enable === keepAlive && (!enable || delay === keepAliveDelay))) return;
  remember(socket, { keepAlive: enable, keepAliveDelay: delay });
  if (handle !== null) setKeepAlive(handle, enable, delay);
}

/** `socket.setTypeOfService()`. @returns 0, or a negative errno */
export function changeTypeOfService(socket: NetSocket, value: number): number {
  const handle = settableHandle(socket);
  if (handle === undefined) return 0;
  remember(socket, { typeOfService: value });
  return handle?.setOption(SocketOption.TypeOfService, value) ?? 0;
}

/** `socket.getTypeOfService()`. @returns the value, or a negative errno */
export function currentTypeOfService(socket: NetSocket): number {
  const handle = settableHandle(socket);
  if (handle === undefined || handle === null) return Math.max(socket[kSettings].typeOfService, 0);
  return handle.getOption(SocketOption.TypeOfService) ?? -constants.errno.EBADF;
}

/** The handle to set options on: null while there is none, undefined where it has no such options. */
function settableHandle(socket: NetSocket): StreamHandle | null | undefined {
  const link = socket[kLink];
  if (link === null) return null;
  return link.handle !== null && link.unix ? undefined : link.handle;
}

function setKeepAlive(handle: StreamHandle, enable: boolean, delay: number): void {
  handle.setOption(SocketOption.KeepAlive, enable ? 1 : 0);
  if (!enable || delay <= 0) return;
  handle.setOption(SocketOption.KeepIdle, delay);
  handle.setOption(SocketOption.KeepInterval, KEEP_ALIVE_INTERVAL);
  handle.setOption(SocketOption.KeepCount, KEEP_ALIVE_PROBES);
}
