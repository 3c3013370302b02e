// Every export in the place of one of core's has what core's has: name, length, static members, and, of a class, the ways to be made an object with.
import core from 'node:module';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { mock } from 'node:test';
import { inherits, promisify } from 'node:util';
import test from 'ava';
import http from 'iouring-transport/http';
import http2 from 'iouring-transport/http2';
import net from 'iouring-transport/net';

type Exports = Record<PropertyKey, unknown>;
type Constructor = (new (...args: unknown[]) => object) & ((...args: unknown[]) => object | undefined);

const require = core.createRequire(import.meta.url);
const NAMES = ['net', 'dgram', 'http', 'https', 'http2', 'tls', 'fs'];
const modules = NAMES.map((name) => ({
  name,
  ours: require(`iouring-transport/${name}`) as Exports,
  theirs: require(`node:${name === 'fs' ? 'fs/promises' : name}`) as Exports,
}));

/** Exports that are functions in core and something else here. */
function* exchanged(): Generator<{ name: string; mine: Function; theirs: Function }> {
  for (const { name, ours, theirs } of modules) {
    for (const key of Reflect.ownKeys(theirs)) {
      const [mine, other] = [ours[key], theirs[key]];
      if (typeof other === 'function' && mine !== other)
        yield { name: `${name}.${String(key)}`, mine: mine as Function, theirs: other };
    }
  }
}

/** What Node has that there is no substitute for yet. */
const ABSENT = new Set(['net.BoundSocket', 'net._TransferredBoundSocket']);

test('what core exports is exported, of the same kind', (t) => {
  for (const { name, ours, theirs } of modules) {
    for (const key of Reflect.ownKeys(theirs)) {
      if (!ABSENT.has(`${name}.${String(key)}`)) t.is(typeof ours[key], typeof theirs[key], `${name}.${String(key)}`);
    }
  }
});

test('what this version of core has not is not there at all, rather than undefined', (t) => {
  for (const { name, ours, theirs } of modules) {
    for (const key of Reflect.ownKeys(ours)) {
      if (!(key in theirs)) t.not(ours[key], undefined, `${name}.${String(key)}`);
    }
  }
});

test('what can be mocked in core can be mocked here, and is as before afterwards', (t) => {
  for (const { name, ours, theirs } of modules) {
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
      const { value } = Object.getOwnPropertyDescriptor(key in theirs ? theirs : ours, key)!;
      if (ABSENT.has(`${name}.${key}`) || typeof value !== 'function') continue;
      const before = ours[key];
      const { mock: mocked } = mock.method(ours as Record<string, Function>, key, () => 'mocked');
      t.is((ours[key] as Function)(), 'mocked', `${name}.${key}`);
      mocked.restore();
      t.is(ours[key], before, `${name}.${key}`);
    }
  }
});

test('functions have core’s names, lengths and static members', (t) => {
  for (const { name, mine, theirs } of exchanged()) {
    if (ABSENT.has(name)) continue;
    t.is(mine.name, theirs.name, name);
    t.is(mine.length, theirs.length, name);
    for (const key of Reflect.ownKeys(theirs)) {
      t.true(Object.hasOwn(mine, key), `${name} lacks ${String(key)}`);
      t.is(typeof Reflect.get(mine, key), typeof Reflect.get(theirs, key), `${name}, ${String(key)}`);
    }
    if (typeof theirs.prototype !== 'object') continue;
    for (const key of Reflect.ownKeys(theirs.prototype as object)) {
      t.true(key in (mine.prototype as object), `${name}.prototype lacks ${String(key)}`);
    }
  }
});

test('a static member that is assigned to is core’s', (t) => {
  const { Agent } = http as unknown as { Agent: { defaultMaxSockets: number } };
  const before = Agent.defaultMaxSockets;
  Agent.defaultMaxSockets = 7;
  t.is((require('node:http') as { Agent: typeof Agent }).Agent.defaultMaxSockets, 7);
  Agent.defaultMaxSockets = before;
});

/** What classes that others extend are made with. */
const CLASSES: readonly (readonly [string, (of: Exports) => unknown[]])[] = [
  ['net.Socket', () => [{}]],
  ['net.Stream', () => [{}]],
  ['net.Server', () => [{}]],
  ['dgram.Socket', () => ['udp4']],
  ['http.Server', () => [{}]],
  ['http.Agent', () => [{}]],
  ['http.IncomingMessage', () => [new net.Socket()]],
  ['http.OutgoingMessage', () => []],
  ['http.ServerResponse', () => [{ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 }]],
  ['http.ClientRequest', () => [{ host: '127.0.0.1', port: 1, agent: false }]],
  ['https.Server', () => [{}]],
  ['https.Agent', () => [{}]],
  ['tls.Server', () => [{}]],
  ['tls.TLSSocket', () => [new net.Socket()]],
];

/** How making an object goes: the class that it is of, or the message of what is thrown. */
function outcome(Class: Constructor, make: () => object | undefined): string {
  let made: (object & { on?: Function; destroy?: Function; close?: Function }) | undefined;
  try {
    made = make();
    made?.on?.('error', () => {});
    made?.destroy?.();
    made?.close?.();
    return made instanceof Class ? 'an instance' : 'no instance';
  } catch (error) {
    return `throws ${(error as NodeJS.ErrnoException).code ?? (error as Error).name}`;
  }
}

for (const [name, args] of CLASSES) {
  const [module, key] = name.split('.') as [string, string];
  const { ours, theirs } = modules.find((it) => it.name === module)!;

  test(`${name} can be extended as core’s can`, (t) => {
    for (const of of [ours, theirs]) {
      const Base = of[key] as Constructor;
      const Modern = class extends Base {} as unknown as Constructor;
      t.is(
        outcome(Modern, () => new Modern(...args(of))),
        'an instance',
        'class … extends',
      );
      const Old = function (this: object, ...given: unknown[]) {
        const returned: unknown = Base.apply(this, given);
        t.true(returned === undefined || returned === this, 'another object');
      } as unknown as Constructor;
      inherits(Old, Base);
      t.is(
        outcome(Old, () => new Old(...args(of))),
        'an instance',
        'util.inherits',
      );
    }
  });

  // Core's take whatever they were called on for the object, here the module.
  if (name === 'http.ClientRequest' || name === 'dgram.Socket') continue;
  test(`${name} can be called without new as core’s can`, (t) => {
    const call = (of: Exports) => outcome(of[key] as Constructor, () => (of[key] as Constructor)(...args(of)));
    t.is(call(ours), call(theirs));
  });
}

test('a request of a class that extends ClientRequest as classes once did is sent and answered', async (t) => {
  const server = http.createServer((_request, response) => response.end('answered')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const Request = function (this: object, ...args: unknown[]) {
    (http.ClientRequest as unknown as Constructor).apply(this, args);
  } as unknown as new (options: object) => http.ClientRequest;
  inherits(Request, http.ClientRequest);
  const request = new Request({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false });
  const [response] = (await once(request.end(), 'response')) as [http.IncomingMessage];
  response.setEncoding('utf8');
  t.is((await response.toArray()).join(''), 'answered');
  t.true(response.socket instanceof net.Socket);
  server.close();
});

test('util.promisify(http2.connect)', async (t) => {
  const server = http2.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connect = promisify(http2.connect) as unknown as (authority: string) => Promise<http2.ClientHttp2Session>;
  const session = await connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.is(typeof session.request, 'function');
  session.close();
  server.close();
  await t.throwsAsync(connect('http://127.0.0.1:1'), { code: 'ECONNREFUSED' });
});
