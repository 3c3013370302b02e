/**
 * What the files of this folder know of sockets, and their users do not. Kept under symbols, so that the classes look
 * like core's from outside.
 *
 * A socket is put together from what stands in several files, and its type names them all: this file imports types alone, and the only ones from above it.
 */
import type core from 'node:net';
import type { DescriptorTaker } from './descriptors.ts';
import type { Link } from './link.ts';
import type { SocketSettings } from '../socket-options.ts';
import type { KeepAlive } from './settings.ts';
import type { UserBuffer } from './user-buffer.ts';

export type { Link };

/** The socket's connection; null exactly where core's `_handle` would be. */
export const kLink = Symbol('link');
/** The inactivity timer; null where none is set. */
export const kTimer = Symbol('timer');
/** The `onread` option. */
export const kUserBuffer = Symbol('user buffer');
/** Byte counts of a connection that is closed. */
export const kBytesRead = Symbol('bytes read');
export const kBytesWritten = Symbol('bytes written');
/** Options that were asked for, to be set as soon as there is a descriptor. */
export const kSettings = Symbol('settings');

/** The option `transport`, checked: of a socket what its descriptor gets, of a server what its listener gets. */
export const kTransport = Symbol('transport');
/** Those of a server's that its connections do not have of its listener: each gets them anew. */
export const kConnectionTransport = Symbol('transport of connections');

/** Who is given the descriptors that arrive; null for nobody. */
export const kDescriptorTaker = Symbol('descriptor taker');

/** How the stream wants to hear that something is done. */
export type WriteCallback = (error?: Error | null) => void;

/** Socket options as last asked for. Sockets share them: who asks for another one gets settings of its own. */
export interface Settings {
  readonly noDelay: boolean;
  readonly keepAlive: KeepAlive;
  /** 0 to 255; -1 leaves the system's. */
  readonly typeOfService: number;
}

/** A socket seen from inside. */
export interface NetSocket extends core.Socket {
  [kLink]: Link | null;
  [kTimer]: NodeJS.Timeout | null;
  [kUserBuffer]: UserBuffer | null;
  [kBytesRead]: number;
  [kBytesWritten]: number;
  [kSettings]: Settings;
  [kTransport]?: SocketSettings | undefined;
  [kDescriptorTaker]: DescriptorTaker | null;

  connecting: boolean;
  timeout?: number;
  _parent: NetSocket | null;
  _host: string | null;
  _hadError: boolean;
  _peername: core.AddressInfo | object | null;
  _sockname: core.AddressInfo | object | null;
  _pendingData: unknown;
  _pendingEncoding: string;
  server: core.Server | null;
  _server: { _connections: number; _emitCloseIfDrained?: () => void } | null;
  blockList?: core.BlockList;
  resetAndClosing: boolean;
  autoSelectFamilyAttemptedAddresses: string[];

  emit(event: string | symbol, ...args: any[]): boolean;
  once(event: string | symbol, listener: (...args: any[]) => void): this;
  _undestroy(): void;
  _unrefTimer(): void;
  _onTimeout(): void;
  _reset(): NetSocket;
  _getpeername(): Partial<core.AddressInfo>;
  _getsockname(): Partial<core.AddressInfo>;
}
