// What programs change by assigning to a module: core's own code looks there, and what stands in for core's module passes it on.
import { once } from 'node:events';
import type Http from 'node:http';
import type Http2 from 'node:http2';
import type Https from 'node:https';
import { createRequire } from 'node:module';
import type Net from 'node:net';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { mock } from 'node:test';
import type Tls from 'node:tls';
import { inspect } from 'node:util';
import test from 'ava';
import { stats } from 'iouring-transport';
import { makeCertificates } from '../_certificates.ts';

const require = createRequire(import.meta.url);

for (const name of ['net', 'http', 'https', 'tls', 'http2'] as const) {
  test.serial(`${name}: what is core's can be assigned to where core's can`, (t) => {
    const core = process.getBuiltinModule(`node:${name}`) as unknown as Record<string, unknown>;
    const ours = require(`iouring-transport/${name}`) as Record<string, unknown>;
    for (const [key, { set, writable }] of Object.entries(Object.getOwnPropertyDescriptors(core))) {
      const before = core[key];
      if (ours[key] !== before) continue;
      if (writable === true || set !== undefined) {
        ours[key] = 'another';
        t.is(core[key], 'another', key);
        ours[key] = before;
        t.is(core[key], before, key);
      } else {
        t.throws(() => (ours[key] = 'another'), { instanceOf: TypeError }, key);
      }
    }
  });

  test.serial(`${name}: each property is of core's kind, and none is missing`, (t) => {
    const kindsOf = (module: object) =>
      Object.entries(Object.getOwnPropertyDescriptors(module)).map(([key, { value, get, enumerable, writable }]) => [
        key,
        [typeof value, typeof get, enumerable, writable],
      ]);
    const mine = new Map(kindsOf(require(`iouring-transport/${name}`) as object) as [string, unknown][]);
    for (const [key, kind] of kindsOf(process.getBuiltinModule(`node:${name}`)))
      t.deepEqual(mine.get(key as string), kind, key as string);
  });
}

test.serial('what is mocked is mocked for the modules above: tls.connect for https', (t) => {
  const mocked = mock.method(require('iouring-transport/tls') as typeof Tls, 'connect', () => {
    throw new Error('mocked');
  });
  t.throws(() => (require('iouring-transport/https') as typeof Https).get('https://localhost:4433'), { message: 'mocked' });
  t.is(mocked.mock.callCount(), 1);
  mocked.mock.restore();
});

test.serial('what others add to a module is theirs, and no other module has it', (t) => {
  const ours = require('iouring-transport/https') as Record<string, unknown>;
  ours['added'] = 1;
  t.true('added' in ours && Object.keys(ours).includes('added'));
  t.false('added' in process.getBuiltinModule('node:https'));
  t.true(delete ours['added']);
  t.false('added' in ours);
});

test.serial('tls: defaults that are set hold for connections', async (t) => {
  const tls = require('iouring-transport/tls') as typeof Tls;
  const server = tls.createServer(makeCertificates().server, (socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { DEFAULT_MAX_VERSION } = tls;
  tls.DEFAULT_MAX_VERSION = 'TLSv1.2';
  t.teardown(() => (tls.DEFAULT_MAX_VERSION = DEFAULT_MAX_VERSION));
  const client = tls.connect({ port: (server.address() as AddressInfo).port, rejectUnauthorized: false });
  await once(client, 'secureConnect');
  t.is(client.getProtocol(), 'TLSv1.2');
  client.resume().end();
  await once(client, 'close');
  server.close();
});

test.serial('agents of http connect with what net has at that moment, where core’s do', async (t) => {
  const connections: Record<string, number> = {};
  for (const kind of ['core', 'ours'] as const) {
    const [net, http] = (
      kind === 'core'
        ? [require('node:net'), require('node:http')]
        : [require('iouring-transport/net'), require('iouring-transport/http')]
    ) as [typeof Net, typeof Http];
    const server = http.createServer((_, response) => response.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const mocked = mock.method(net, 'createConnection');
    const { port } = server.address() as AddressInfo;
    await once(
      http.get({ port, host: '127.0.0.1', agent: false }, (response) => response.resume()),
      'close',
    );
    connections[kind] = mocked.mock.callCount();
    mocked.mock.restore();
    server.close();
  }
  t.is(connections['ours'], connections['core']);
});

test.serial('http2 and https connect with what net and tls have at that moment', (t) => {
  const seen: unknown[] = [];
  for (const [name, use] of [
    ['net', () => (require('iouring-transport/http2') as typeof Http2).connect('http://localhost:80')],
    ['tls', () => (require('iouring-transport/http2') as typeof Http2).connect('https://localhost')],
    ['tls', () => (require('iouring-transport/https') as typeof Https).get('https://localhost:4433')],
  ] as const) {
    const module = require(`iouring-transport/${name}`) as { connect: (...args: any[]) => unknown };
    const { connect } = module;
    module.connect = (first: string | { port: unknown }) => {
      seen.push(typeof first === 'object' ? first.port : first);
      throw new Error('seen');
    };
    try {
      use();
    } catch (error) {
      t.is((error as Error).message, 'seen');
    } finally {
      module.connect = connect;
    }
  }
  t.deepEqual(seen, ['80', '443', 4433]);
});

test.serial('http2: arguments are refused as core refuses them', (t) => {
  const core = process.getBuiltinModule('node:http2');
  const ours = require('iouring-transport/http2') as typeof core;
  const outcome = (call: () => unknown): unknown => {
    try {
      (call() as { destroy?(): void }).destroy?.();
      return 'taken';
    } catch (error) {
      const { name, code, message } = error as Error & { code?: string };
      return [name, code, message];
    }
  };
  for (const options of [
    1,
    true,
    'test',
    null,
    Symbol('test'),
    [],
    () => {},
    {},
    { settings: 1 },
    { maxSessionInvalidFrames: -1 },
  ]) {
    const shown = inspect(options);
    for (const make of ['createServer', 'createSecureServer'] as const) {
      t.deepEqual(
        outcome(() => ours[make](options as never)),
        outcome(() => core[make](options as never)),
        `${make} ${shown}`,
      );
    }
    for (const authority of [1, null, 'no url', 'ftp://localhost']) {
      t.deepEqual(
        outcome(() => ours.connect(authority as never, options as never)),
        outcome(() => core.connect(authority as never, options as never)),
        `connect ${authority} ${shown}`,
      );
    }
  }
});

test.serial('http2: a server can be disposed of', async (t) => {
  const http2 = require('iouring-transport/http2') as typeof Http2;
  const server = http2.createServer().listen(0);
  await once(server, 'listening');
  const closed = once(server, 'close');
  await (server as unknown as AsyncDisposable)[Symbol.asyncDispose]();
  await closed;
  t.false(server.listening);
});

test.serial('tls: options of TLS are refused first, and nothing is connected then', (t) => {
  const core = process.getBuiltinModule('node:tls');
  const ours = require('iouring-transport/tls') as typeof core;
  const before = stats().handles;
  const outcome = (call: () => unknown): unknown => {
    try {
      (call() as { destroy(): void }).destroy();
      return 'taken';
    } catch (error) {
      return (error as Error & { code?: string }).message;
    }
  };
  for (const port of [undefined, 1, 65_536, 'no']) {
    for (const options of [
      {},
      { minDHSize: 0 },
      { minDHSize: 'no' },
      { checkServerIdentity: 1 },
      { ciphers: 1 },
      { minVersion: 'no' },
    ]) {
      const given = { ...options, port } as never;
      t.deepEqual(
        outcome(() => ours.connect(given)),
        outcome(() => core.connect(given)),
        JSON.stringify(given),
      );
    }
  }
  t.is(stats().handles, before);
});
