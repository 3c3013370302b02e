/**
 * The exports of `node:net`, over io_uring.
 */
import core from 'node:net';
import process from 'node:process';
import { inPlaceOf } from '../core/in-place-of.ts';
import { normalizeArguments } from './arguments.ts';
import { connectionParts } from './connection-parts.ts';
import { createListenHandle } from './listen.ts';
import { Server, type ServerOptions } from './server.ts';
import type { SocketConstructor } from './socket.ts';

/** Makes a socket and connects it. */
export function connect(...args: any[]): core.Socket {
  return connectionParts().connect(args);
}

/** Makes a server; it does nothing until it is told to listen. */
export function createServer(
  options?: ServerOptions | ((socket: core.Socket) => void),
  listener?: (socket: core.Socket) => void,
) {
  return new Server(options, listener);
}

/**
 * `iouring-transport/net` as programs see it, once it is loaded. Core's http2 connects with what `net.connect` is at that moment, and its agents with
 * `net.createConnection`, so that who replaces one (a mock, an instrument) is asked; so does what stands in for core's.
 */
export const exported: { net?: Readonly<Record<'connect' | 'createConnection', (...args: any[]) => any>> } = {};

let warned = false;

/** Once a switch of core's on Windows; does nothing but say so. */
export function _setSimultaneousAccepts(): void {
  if (warned) return;
  warned = true;
  process.emitWarning('net._setSimultaneousAccepts() is deprecated and will be removed.', 'DeprecationWarning', 'DEP0121');
}

const { _createServerHandle, _normalizeArgs } = core as unknown as Record<string, Function>;
inPlaceOf(_createServerHandle, createListenHandle);
inPlaceOf(_normalizeArgs, normalizeArguments);

/** What stands in for core's exports. */
export const ring = {
  get Socket(): SocketConstructor {
    return connectionParts().Socket;
  },
  ...{ Server, connect, createServer },
  ...{ _createServerHandle: createListenHandle, _normalizeArgs: normalizeArguments, _setSimultaneousAccepts },
};
