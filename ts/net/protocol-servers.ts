/**
 * Core's servers (http, https, tls, http2) on our sockets.
 *
 * Each of them extends `net.Server` and adds a protocol to its 'connection'. A class derived here keeps the protocol and exchanges the `net.Server`
 * below it: our listen, close, address and so on lie in front of core's in the prototype chain, and the ring accepts connections. Where JavaScript reads them,
 * as with HTTP, they are our sockets; where core's C++ does, as with TLS and HTTP/2, libuv has them from there on.
 */
import core from 'node:net';
import { promisify } from 'node:util';
import { define, defineAll } from '../define.ts';
import { kListener, kOverLibuv, type NetServer } from './server-internals.ts';
import { Server as NetServerClass } from './server.ts';
import { deriveFrom, method, type Changes, type CoreClass } from '../core/derived-class.ts';

type Close = (this: NetServer, callback?: (error?: Error) => void) => unknown;

const netMembers = NetServerClass.prototype as unknown as Record<PropertyKey, unknown>;

/** Makes a server class whose connections the ring accepts, and libuv reads and writes: see libuv-socket.ts. */
export function serveOverLibuv<Class extends CoreClass>(Core: Class, prepare: (server: any) => void = () => {}): Class {
  return serveOverRing(Core, {
    prepare(server: NetServer) {
      server[kOverLibuv] = true;
      prepare(server);
    },
  });
}

/** Makes a server class whose connections are our sockets. */
export function serveOverRing<Class extends CoreClass>(Core: Class, changes: Omit<Changes<any>, 'members'> = {}): Class {
  const ofProtocol = protocolMembers(Core.prototype as object);
  const members: PropertyDescriptorMap = {};
  for (const key of Reflect.ownKeys(netMembers)) {
    if (key === 'constructor' || ofProtocol.has(key)) continue;
    members[key as string] = asInherited(key);
  }
  if (ofProtocol.has('close')) members['close'] = method(closeBoth(Core.prototype as { close: Close }));
  if (ofProtocol.has('close') || ofProtocol.has(Symbol.asyncDispose)) {
    // The protocol's own closes core's `net.Server`.
    members[Symbol.asyncDispose as unknown as string] = method(async function dispose(this: core.Server): Promise<void> {
      await promisify((done: (error?: Error) => void) => this.close(done))();
    });
  }
  return deriveFrom(Core, {
    ...changes,
    members,
    prepare(server: NetServer) {
      // Core's constructor has set everything else that a `net.Server` has.
      server[kListener] = null;
      changes.prepare?.(server);
    },
  });
}

/** A member of our `net.Server`, as it is when it is asked for: who patches that class patches the servers of the protocols, too, which inherit from core's. */
function asInherited(key: PropertyKey): PropertyDescriptor {
  const described = Object.getOwnPropertyDescriptor(netMembers, key)!;
  if (!('value' in described)) return described;
  return {
    get: () => netMembers[key],
    set(value: unknown) {
      define(this, key, { value, writable: true, enumerable: true, configurable: true });
    },
    enumerable: described.enumerable!,
    configurable: true,
  };
}

/** What the protocol's classes define themselves, down to core's `net.Server`. */
function protocolMembers(prototype: object): Set<PropertyKey> {
  const found = new Set<PropertyKey>();
  for (let each = prototype; each !== core.Server.prototype; each = Object.getPrototypeOf(each) as object) {
    for (const key of Reflect.ownKeys(each)) found.add(key);
  }
  return found;
}

/** What core's `net.Server` finds when it closes. */
const NOTHING_LEFT: PropertyDescriptorMap = {
  _handle: { value: null, writable: true, configurable: true },
  _emitCloseIfDrained: { value() {}, configurable: true },
};

/** The protocol's `close()`, which ends idle connections and timers, and then ours. */
function closeBoth(protocol: { close: Close }): Close {
  return function close(callback) {
    // The former goes on to core's `net.Server`, for which there is to be nothing left to do.
    const workers = this._usingWorkers;
    this._usingWorkers = false;
    defineAll(this, NOTHING_LEFT);
    try {
      protocol.close.call(this);
    } finally {
      for (const name of Object.keys(NOTHING_LEFT)) delete (this as unknown as Record<string, unknown>)[name];
      this._usingWorkers = workers;
    }
    (netMembers['close'] as Close).call(this, callback);
    return this;
  };
}
