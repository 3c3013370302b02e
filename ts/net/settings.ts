/**
 * Socket options: set at once where there is a descriptor, remembered until then where there is none.
 *
 * As with core it is `socket._handle` that is told of them, where somebody has asked for it: who has replaced a member of it is called.
 */
import core from 'node:net';
import { constants } from 'node:os';
import { SocketOption, type StreamHandle } from '../reactor/index.ts';
import { toSeconds } from './arguments.ts';
import { kLink, kSettings, type Link, type NetSocket, type Settings } from './internals.ts';

/** Seconds between probes, and how many go unanswered before the peer counts as gone, where nothing else is said: libuv's. */
const KEEP_ALIVE_INTERVAL = 1;
const KEEP_ALIVE_PROBES = 10;

/** Whether core's `setKeepAlive()` takes those, and an object: newer versions of Node 24. */
const TAKES_PROBES = core.Socket.prototype.setKeepAlive.length > 2;

/** How a peer is probed. */
export interface KeepAlive {
  readonly enable: boolean;
  /** Seconds of silence before the first probe; 0 leaves the system's. */
  readonly delay: number;
  /** Seconds between probes; undefined for the usual. */
  readonly interval: number | undefined;
  /** Probes without answer after which the peer is gone; undefined for the usual. */
  readonly count: number | undefined;
}

const NO_KEEP_ALIVE: KeepAlive = Object.freeze({ enable: false, delay: 0, interval: undefined, count: undefined });

/** Nothing asked for. Shared by all sockets that stay with it. */
export const NO_SETTINGS: Readonly<Settings> = Object.freeze({ noDelay: false, keepAlive: NO_KEEP_ALIVE, typeOfService: -1 });

/** What a socket or server was asked for when it was made. `delay` in seconds. */
export function settingsOf(noDelay: boolean, keepAlive: boolean, delay: number, typeOfService = -1): Settings {
  return { noDelay, keepAlive: keepAlive ? { ...NO_KEEP_ALIVE, enable: true, delay } : NO_KEEP_ALIVE, typeOfService };
}

/** The arguments of `socket.setKeepAlive()`: `(enable, initialDelay)`, in milliseconds, and where core takes them `interval`, `count`, or an object of all. */
export function keepAliveOf(enable: unknown, initialDelay: unknown, interval?: unknown, count?: unknown): KeepAlive {
  if (!TAKES_PROBES) return { ...NO_KEEP_ALIVE, enable: Boolean(enable), delay: toSeconds(initialDelay) };
  if (typeof enable === 'object' && enable !== null) {
    const given = enable as { enable?: unknown; initialDelay?: unknown; interval?: unknown; count?: unknown };
    return keepAliveOf(Boolean(given.enable), given.initialDelay, given.interval, given.count);
  }
  return {
    enable: Boolean(enable),
    delay: toSeconds(initialDelay),
    interval: interval === undefined ? undefined : toSeconds(interval),
    count: count as number | undefined,
  };
}

/** Sets on a fresh connection what was asked for. UNIX-domain sockets have none of these options. */
export function applySettings(socket: NetSocket): void {
  const settings = socket[kSettings];
  const link = socket[kLink]!;
  if (settings === NO_SETTINGS || link.unix) return;
  const { noDelay, keepAlive, typeOfService } = settings;
  if (noDelay) tellNoDelay(link, true);
  if (keepAlive.enable) tellKeepAlive(link, keepAlive);
  if (typeOfService >= 0) setTypeOfService(link, typeOfService);
}

/** `socket.setNoDelay()`. */
export function changeNoDelay(socket: NetSocket, enable: boolean): void {
  const link = settableLink(socket);
  if (link === undefined || enable === socket[kSettings].noDelay) return;
  remember(socket, { noDelay: enable });
  if (link !== null) tellNoDelay(link, enable);
}

/** `socket.setKeepAlive()`. */
export function changeKeepAlive(socket: NetSocket, wanted: KeepAlive): void {
  const link = settableLink(socket);
  const { keepAlive: old } = socket[kSettings];
  const { enable, delay, interval, count } = wanted;
  const same = delay === old.delay && interval === old.interval && count === old.count;
  if (link === undefined || (enable === old.enable && (!enable || same))) return;
  remember(socket, { keepAlive: wanted });
  if (link !== null) tellKeepAlive(link, wanted);
}

/** `socket.setTypeOfService()`. @returns 0, or a negative errno */
export function changeTypeOfService(socket: NetSocket, value: number): number {
  const link = settableLink(socket);
  if (link === undefined) return 0;
  remember(socket, { typeOfService: value });
  return link === null ? 0 : setTypeOfService(link, value);
}

/** `socket.getTypeOfService()`. @returns the value, or a negative errno */
export function currentTypeOfService(socket: NetSocket): number {
  const handle = settableLink(socket)?.handle ?? null;
  if (handle === null) return Math.max(socket[kSettings].typeOfService, 0);
  return handle.getOption(SocketOption.TypeOfService) ?? -constants.errno.EBADF;
}

/** Sets an option of the connection, or has it set as soon as there is a descriptor. @returns 0, or a negative errno */
export function setNoDelay(link: Link, enable: boolean): number {
  if (link.handle !== null) return link.handle.setOption(SocketOption.NoDelay, enable ? 1 : 0);
  remember(link.socket, { noDelay: enable });
  return 0;
}

/** Likewise. */
export function setKeepAlive(link: Link, wanted: KeepAlive): number {
  if (link.handle !== null) return probe(link.handle, wanted);
  remember(link.socket, { keepAlive: wanted });
  return 0;
}

/** Likewise. */
export function setTypeOfService(link: Link, value: number): number {
  return link.handle?.setOption(SocketOption.TypeOfService, value) ?? 0;
}

function tellNoDelay(link: Link, enable: boolean): void {
  if (link.stream === null) setNoDelay(link, enable);
  else link.stream.setNoDelay(enable);
}

function tellKeepAlive(link: Link, wanted: KeepAlive): void {
  const { enable, delay, interval, count } = wanted;
  if (link.stream === null) setKeepAlive(link, wanted);
  else if (TAKES_PROBES) link.stream.setKeepAlive(enable, delay, interval, count);
  else link.stream.setKeepAlive(enable, delay);
}

function remember(socket: NetSocket, change: Partial<Settings>): void {
  socket[kSettings] = { ...socket[kSettings], ...change };
}

/** Whose options are to be set: null while there is no connection, undefined where it has no such options. */
function settableLink(socket: NetSocket): Link | null | undefined {
  const link = socket[kLink];
  return link !== null && link.handle !== null && link.unix ? undefined : link;
}

function probe(handle: StreamHandle, { enable, delay, interval = -1, count = -1 }: KeepAlive): number {
  const status = handle.setOption(SocketOption.KeepAlive, enable ? 1 : 0);
  if (status < 0 || !enable || delay <= 0) return status;
  // What core's C++ makes of them: less than nothing is the usual, and nothing will not do.
  if (interval === 0 || count === 0) return -constants.errno.EINVAL;
  handle.setOption(SocketOption.KeepIdle, delay);
  handle.setOption(SocketOption.KeepInterval, interval < 0 ? KEEP_ALIVE_INTERVAL : interval);
  handle.setOption(SocketOption.KeepCount, count < 0 ? KEEP_ALIVE_PROBES : ~~count);
  return 0;
}
