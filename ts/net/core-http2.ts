/**
 * Guards what core's HTTP/2 calls back while it is told of something here (see `core-calls.ts`), over TLS or not.
 *
 * Its native code has had its callbacks since it was loaded, and nobody can get at them. But each of them asks its handle for its owner first, and calls users by
 * `emit`; what else calls users is given to the handles. So these are listened to, on the classes that all sessions have in common: those over other
 * sockets notice nothing but a few comparisons. The classes are found on a session that nobody hears of: a server's, since tracers wrap what clients call.
 */
import { Buffer } from 'node:buffer';
import process from 'node:process';
import type { EventEmitter } from 'node:events';
import { coreModule } from '../core/module.ts';
import { define } from '../define.ts';
import { beginCallback, callGuarded, guard, guardWithin, isUnguarded, type Callback } from './core-calls.ts';

/** What takes a request that is told when it is over. */
const REQUESTS = [
  'writeBuffer',
  'writev',
  'writeUtf8String',
  'writeAsciiString',
  'writeLatin1String',
  'writeUcs2String',
  'shutdown',
];

/** What the peer has to answer, and where the callback is among the arguments. */
const ANSWERED = { ping: 1, settings: 0 };

/** A prototype of core's. */
type Prototype = Record<PropertyKey, unknown>;
type Method = (this: object, ...args: unknown[]) => unknown;

interface Request {
  oncomplete: Callback<object>;
}

let guarded = false;
/** How many of core's modules there were when one was last looked for. */
let modules = 0;

/** Guards HTTP/2 where the program has it. Cheap to ask again and again. */
export function guardHttp2(): void {
  if (guarded) return;
  const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
  if (moduleLoadList.length === modules) return;
  modules = moduleLoadList.length;
  guarded = moduleLoadList.includes('NativeModule internal/http2/core');
  if (guarded) guardClasses();
}

/** What a client sends: how HTTP/2 begins, no settings, and `GET /` as stream 1. */
const REQUEST = Buffer.from(
  `${Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').toString('hex')}000000040000000000000006010500000001828486410161`,
  'hex',
);

/** Channels that tell of a server's streams, from Node 24 on. */
const CHANNELS = ['created', 'start', 'error', 'finish', 'close'].map((what) => `http2.server.stream.${what}`);

/** Calls `body`, of whose streams nobody is told. */
function unheard(body: () => void): void {
  const { channel, hasSubscribers } = process.getBuiltinModule('node:diagnostics_channel');
  const heard = CHANNELS.filter((name) => hasSubscribers(name)).map((name) => channel(name));
  for (const each of heard) define(each, 'hasSubscribers', { value: false, configurable: true });
  try {
    body();
  } finally {
    for (const each of heard) Reflect.deleteProperty(each, 'hasSubscribers');
  }
}

function guardClasses(): void {
  unheard(() => {
    const { Duplex } = process.getBuiltinModule('node:stream');
    const { performServerHandshake } = coreModule('node:http2');
    const below = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const session = performServerHandshake(below);
    // Core hears of it within the call.
    below.emit('data', REQUEST);
    const { streams } = ownOf(session, 'state')!.value as { streams: ReadonlyMap<number, EventEmitter> };
    for (const emitter of [session, ...streams.values()]) guardClassesOf(emitter);
    session.destroy();
  });
}

function guardClassesOf(emitter: EventEmitter): void {
  emitter.on('error', () => {});
  const handle = ownOf(emitter, 'kHandle')!;
  const handles = Object.getPrototypeOf(handle.value) as Prototype;
  guardOwner(handles, ownOf(handle.value, 'owner_symbol')!.key);
  for (const name of REQUESTS) if (name in handles) guardRequests(handles, name);
  for (const [name, position] of Object.entries(ANSWERED)) if (name in handles) guardAnswer(handles, name, position);
  // What clients and servers have in common.
  guardEmit(Object.getPrototypeOf(Object.getPrototypeOf(emitter)) as EventEmitter);
}

/** What an object has under a symbol that is known by its name alone. */
function ownOf(object: object, name: string): { key: symbol; value: object } | undefined {
  const key = Object.getOwnPropertySymbols(object).find(({ description }) => description === name);
  return key && { key, value: (object as Record<symbol, object>)[key] };
}

/** Each of the callbacks that cannot be got at begins by asking for the owner of the handle. */
function guardOwner(handles: Prototype, key: symbol): void {
  const owner = Symbol('owner');
  define(handles, key, {
    get(this: Record<symbol, unknown>) {
      beginCallback(this);
      return this[owner];
    },
    set(this: Record<symbol, unknown>, value: unknown) {
      this[owner] = value;
    },
    configurable: true,
  });
}

/** What listeners throw is reported there, and the callback goes on. */
function guardEmit(emitters: EventEmitter): void {
  const above = Object.getPrototypeOf(emitters) as { emit: (this: EventEmitter, ...args: unknown[]) => boolean };
  define(emitters, 'emit', {
    value(this: EventEmitter, ...args: unknown[]) {
      if (isUnguarded()) return callGuarded(above.emit, this, args) ?? true;
      // Nearly all events: V8 can inline a call of `emit` only where its arguments are written down.
      switch (args.length) {
        case 1:
          return above.emit.call(this, args[0]);
        case 2:
          return above.emit.call(this, args[0], args[1]);
        case 3:
          return above.emit.call(this, args[0], args[1], args[2]);
        default:
          return Reflect.apply(above.emit, this, args);
      }
    },
    writable: true,
    configurable: true,
  });
}

/**
 * What is called when a write or shutdown of a stream is over. That is guarded on any socket: where several writes of a session are over at once, core reports
 * not all of what their callbacks throw, and may fail an assertion.
 */
function guardRequests(handles: Prototype, name: string): void {
  const method = handles[name] as Method;
  const guardOnce = once(guard);
  const later = {
    set(this: Request, callback: Callback<object>) {
      define(this, 'oncomplete', {
        value: guardOnce(callback),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
    configurable: true,
  };
  handles[name] = function (this: object, request: Request | null, first: unknown, second: unknown) {
    if (request !== null) request.oncomplete = guardOnce(request.oncomplete);
    const result = method.call(this, request, first, second);
    // Node 26 has the request made, and gives it its callback then.
    if (typeof result === 'object' && result !== null) define(result, 'oncomplete', later);
    return result;
  };
}

/** What is called with the answer of the peer. */
function guardAnswer(handles: Prototype, name: string, position: number): void {
  const method = handles[name] as Method;
  handles[name] = function (this: object, ...args: unknown[]) {
    args[position] = guardWithin(args[position] as Callback<object>);
    return Reflect.apply(method, this, args);
  };
}

/** The same, for a callback that is nearly always the same one. */
function once(make: (callback: Callback<object>) => Callback<object>): (callback: Callback<object>) => Callback<object> {
  let last: Callback<object> | undefined;
  let made: Callback<object>;
  return (callback) => {
    if (callback !== last) {
      last = callback;
      made = make(callback);
    }
    return made;
  };
}
