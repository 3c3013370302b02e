/**
 * Who replaces a function of one module, as mocks do, replaces it for the modules above: core's and ours alike.
 */
import { once } from 'node:events';
import type coreHttp2 from 'node:http2';
import type coreHttps from 'node:https';
import { createRequire } from 'node:module';
import type coreNet from 'node:net';
import { Duplex } from 'node:stream';
import type coreTls from 'node:tls';
import test from 'ava';

interface Modules {
  net: typeof coreNet;
  tls: typeof coreTls;
  https: typeof coreHttps;
  http2: typeof coreHttp2;
}

const require = createRequire(import.meta.url);
const load = (prefix: string) =>
  Object.fromEntries(
    ['net', 'tls', 'https', 'http2'].map((name) => [name, require(prefix + name) as unknown]),
  ) as unknown as Modules;

/** Calls `use` while another function is in the place of one. @returns how often it was called. */
async function replaced<Name extends string>(module: Record<Name, Function>, name: Name, use: () => unknown): Promise<number> {
  const original = module[name];
  let calls = 0;
  module[name] = () => {
    calls++;
    return new Duplex({ read() {}, write: (_, __, done) => done() });
  };
  try {
    await use();
  } finally {
    module[name] = original;
  }
  return calls;
}

for (const [which, prefix] of [
  ['core', 'node:'],
  ['ours', 'iouring-transport/'],
] as const) {
  const { net, tls, https, http2 } = load(prefix);

  test.serial(`tls.connect below https and http2, ${which}`, async (t) => {
    const request = () => {
      const made = https.get({ host: '127.0.0.1', port: 1, agent: new https.Agent() });
      return once(made, 'socket').finally(() => made.on('error', () => {}).destroy());
    };
    t.is(await replaced(tls, 'connect', request), 1);
    t.is(
      await replaced(tls, 'connect', () =>
        http2
          .connect('https://127.0.0.1:1')
          .on('error', () => {})
          .destroy(),
      ),
      1,
    );
  });

  test.serial(`net.connect below http2, ${which}`, async (t) => {
    t.is(
      await replaced(net, 'connect', () =>
        http2
          .connect('http://127.0.0.1:1')
          .on('error', () => {})
          .destroy(),
      ),
      1,
    );
  });

  test.serial(`a class from before there were classes that takes its methods from core's TLSSocket, ${which}`, async (t) => {
    function Made(this: unknown): void {
      Reflect.apply(net.Socket, this, [{}]);
    }
    Made.prototype = Object.create(tls.TLSSocket.prototype) as object;
    const socket = new (Made as unknown as new () => coreNet.Socket)();
    t.true(socket instanceof net.Socket);
    socket.on('error', () => {});
    socket.end('words');
    socket.destroy();
    await once(socket, 'close');
  });
}
