/**
 * Core's TLSSocket over one of our sockets.
 *
 * Core runs TLS on whatever is not its own through a stream of JavaScript (`JSStreamSocket`), which carries bytes, ends and errors. What it does not
 * carry, addresses, options and references, is handed through to the socket below by the prototype made here.
 */
import core, { type TLSSocketOptions } from 'node:tls';
import type { Socket as NetSocket } from 'node:net';
import { deriveFrom, method } from '../http/derive.ts';
import { Socket } from '../net/module.ts';

/** What a TLSSocket has beyond its typings. */
type SecureSocket = core.TLSSocket & { _parent?: NetSocket & Addressed } & Addressed;

interface Addressed {
  _getpeername(): object;
  _getsockname(): object;
  setTypeOfService?(value: number): unknown;
  getTypeOfService?(): number;
}

/** Hands a method through to the socket below; core's runs where that is none of ours. */
function passThrough(name: string, chained: boolean): PropertyDescriptor {
  const original = (core.TLSSocket.prototype as unknown as Record<string, Function | undefined>)[name];
  return method(function (this: SecureSocket, ...args) {
    const below = this._parent as unknown as Record<string, Function> | undefined;
    if (!isOurs(below)) return original === undefined ? undefined : (Reflect.apply(original, this, args) as unknown);
    const result = Reflect.apply(below[name], below, args) as unknown;
    return chained ? this : result;
  });
}

function isOurs(socket: unknown): socket is Record<string, Function> {
  return Object.prototype.isPrototypeOf.call(Socket.prototype, socket as object);
}

/** See the head of this file. `new TLSSocket(socket, options)` as core's. */
export const TLSSocket = deriveFrom(core.TLSSocket, {
  members: {
    _getpeername: passThrough('_getpeername', false),
    _getsockname: passThrough('_getsockname', false),
    ref: passThrough('ref', true),
    unref: passThrough('unref', true),
    setNoDelay: passThrough('setNoDelay', true),
    setKeepAlive: passThrough('setKeepAlive', true),
    setTypeOfService: passThrough('setTypeOfService', true),
    getTypeOfService: passThrough('getTypeOfService', false),
  },
}) as unknown as typeof core.TLSSocket & { new (socket?: NetSocket, options?: TLSSocketOptions): core.TLSSocket };

/** Turns a TLSSocket that core has made over one of our sockets into one of these. */
export function adopt(secure: core.TLSSocket): void {
  if (Object.getPrototypeOf(secure) === core.TLSSocket.prototype) Object.setPrototypeOf(secure, TLSSocket.prototype);
}
