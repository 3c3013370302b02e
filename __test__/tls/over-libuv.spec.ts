// Servers of TLS, HTTPS and HTTP/2: the ring accepts their connections, and what stands on them is core's, as core's own servers make it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import coreNet, { type AddressInfo, type Server, type Socket } from 'node:net';
import coreHttp2 from 'node:http2';
import coreHttps from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import coreTls from 'node:tls';
import test from 'ava';
import { stats } from 'iouring-transport';
import http2 from 'iouring-transport/http2';
import https from 'iouring-transport/https';
import tls from 'iouring-transport/tls';
import { makeCertificates } from '../_certificates.ts';
import { onRing } from '../net/_sockets.ts';

const { server: certificate } = makeCertificates();

/** By what makes one, core's first. */
const MAKERS: Record<string, readonly ((options: object) => Server)[]> = {
  tls: [coreTls, tls].map((module) => (options) => module.createServer({ ...certificate, ...options })),
  https: [coreHttps, https].map((module) => (options) => module.createServer({ ...certificate, ...options })),
  'http2 over TLS': [coreHttp2, http2].map((module) => (options) => module.createSecureServer({ ...certificate, ...options })),
  http2: [coreHttp2, http2].map((module) => (options) => module.createServer(options)),
};

interface Handle {
  readonly constructor: { readonly name: string };
  readonly reading: boolean;
}

interface Inner extends Socket {
  readonly _handle: Handle | null;
  readonly server: unknown;
}

/** What a server tells of a connection. */
async function tellOf(server: Server, address: { port: number; host: string } | { path: string }): Promise<unknown> {
  const storage = new AsyncLocalStorage<string>();
  const told = storage.run('who listens', async () => {
    const connected = new Promise<Inner>((resolve) => {
      server.on('connection', (socket: Inner) => {
        resolve(socket);
        seen.push(storage.getStore());
      });
    });
    const seen: unknown[] = [];
    server.listen(address);
    await once(server, 'listening');
    const where = server.address() as AddressInfo | string;
    const client = coreNet.connect(typeof where === 'string' ? { path: where } : { port: where.port });
    client.on('error', () => {});
    const socket = await connected;
    socket.on('error', () => {});
    const { _handle: handle, allowHalfOpen, readableHighWaterMark, writableHighWaterMark, remoteFamily } = socket;
    seen.push(
      handle?.constructor.name,
      handle?.reading,
      allowHalfOpen,
      readableHighWaterMark,
      writableHighWaterMark,
      remoteFamily,
    );
    seen.push(socket.constructor === coreNet.Socket, socket.isPaused(), socket.server === server);
    seen.push(
      socket.remotePort === client.localPort,
      await new Promise((resolve) => void server.getConnections((_, n) => resolve(n))),
    );
    client.destroy();
    socket.destroy();
    server.close();
    await once(server, 'close');
    return seen;
  });
  return told;
}

for (const [name, [makeCores, makeOurs]] of Object.entries(MAKERS)) {
  test.serial(`${name}: a connection is as core makes it`, async (t) => {
    const before = stats().handles;
    for (const options of [
      {},
      { allowHalfOpen: true },
      { pauseOnConnect: true },
      { highWaterMark: 1000 },
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000 },
    ]) {
      for (const address of [{ port: 0, host: '127.0.0.1' }, { path: path.join(tmpdir(), `over-libuv-${process.pid}`) }]) {
        const expected = await tellOf(makeCores(options), address);
        t.deepEqual(await tellOf(makeOurs(options), address), expected, JSON.stringify([options, address]));
      }
    }
    // What the ring had of them is closed.
    if (onRing) t.is(stats().handles, before);
  });

  test.serial(`${name}: who is one too many is turned away`, async (t) => {
    for (const make of [makeCores, makeOurs]) {
      const server = make({});
      server.maxConnections = 1;
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const first = coreNet.connect(port, '127.0.0.1').on('error', () => {});
      const [socket] = (await once(server, 'connection')) as [Socket];
      const dropped = once(server, 'drop');
      const second = coreNet.connect(port, '127.0.0.1').on('error', () => {});
      await once(second, 'connect');
      const [ends] = (await dropped) as [{ localPort: number; remotePort: number }];
      t.deepEqual([ends.localPort, ends.remotePort], [port, second.localPort]);
      await once(second.resume(), 'close');
      first.destroy();
      socket.on('error', () => {}).destroy();
      server.close();
      await once(server, 'close');
    }
  });
}
