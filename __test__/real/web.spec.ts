// Clients and servers of the web from npm: undici with our connector, ws both ways, fastify and express served through us.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import express from 'express';
import fastify from 'fastify';
import { Agent as Undici, request as fetchWith } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import http from 'iouring-transport/http';
import https from 'iouring-transport/https';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';
import { makeCertificates } from '../_certificates.ts';
import { folder, runRegistered, settled, testWith } from './_service.ts';

const test = testWith();
const testSecure = testWith('openssl');

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

/** A connector for undici: sockets of ours, by name or path. */
function connector(options: { hostname: string; port: string; protocol: string; socketPath?: string | null; ca?: string }) {
  const { hostname: host, port, socketPath, protocol } = options;
  if (socketPath) return net.connect(socketPath);
  return protocol === 'https:'
    ? tls.connect({ host, port: Number(port), ca: options.ca, servername: 'localhost' })
    : net.connect({ host, port: Number(port) });
}

function undici(ca?: string, socketPath?: string): Undici {
  return new Undici({
    connections: 4,
    pipelining: 4,
    connect(options, done) {
      const socket = connector({ ...options, socketPath, ca });
      const event = options.protocol === 'https:' ? 'secureConnect' : 'connect';
      const failed = (error: Error) => done(error, null);
      socket.once('error', failed).once(event, () => {
        socket.off('error', failed);
        done(null, socket);
      });
    },
  });
}

async function fetchMany(dispatcher: Undici, origin: string): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const body = Buffer.alloc(i * 50, i % 256);
      const response = await fetchWith(`${origin}/${i}`, { dispatcher, method: 'POST', body });
      return Buffer.from(await response.body.arrayBuffer()).equals(body);
    }),
  );
  await dispatcher.close();
  return answers.filter(Boolean).length;
}

test('undici with our connector: 300 requests over TCP and UNIX', async (t) => {
  const server = http.createServer((request, response) => request.pipe(response));
  for (const path of [undefined, `${folder(t)}/http.sock`]) {
    server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
    await once(server, 'listening');
    const origin = path === undefined ? `http://127.0.0.1:${portOf(server)}` : 'http://localhost';
    t.is(await fetchMany(undici(undefined, path), origin), 300);
    server.close();
    await once(server, 'close');
  }
  await settled(t);
});

testSecure('undici with our connector: 300 requests over TLS', async (t) => {
  const { ca, server: pair } = makeCertificates();
  const server = https.createServer(pair, (request, response) => request.pipe(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.is(await fetchMany(undici(ca), `https://127.0.0.1:${portOf(server)}`), 300);
  server.close();
  await once(server, 'close');
  await settled(t);
});

for (const secure of [false, true]) {
  (secure ? testSecure : test)(
    `ws both ways${secure ? ' over TLS' : ''}: 1000 messages, one of 3 MB, pings, an orderly close`,
    async (t) => {
      const { ca, server: pair } = makeCertificates();
      const server = secure ? https.createServer(pair) : http.createServer();
      const sockets = new WebSocketServer({ server: server as never });
      sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');

      const url = `${secure ? 'wss' : 'ws'}://localhost:${portOf(server)}`;
      const createConnection = (secure ? tls.connect : net.connect) as never;
      const client = new WebSocket(url, { createConnection, ca, family: 4 });
      await once(client, 'open');
      const received: string[] = [];
      const all = new Promise<void>((resolve) => {
        client.on('message', (data: Buffer, isBinary) => {
          if (isBinary) t.true(data.equals(Buffer.alloc(3_000_000, 'ring')));
          else received.push(data.toString());
          if (isBinary) resolve();
        });
      });
      for (let i = 0; i < 1000; i++) client.send(`message ${i}`);
      client.send(Buffer.alloc(3_000_000, 'ring'));
      await all;
      t.deepEqual(
        received,
        Array.from({ length: 1000 }, (_, i) => `message ${i}`),
      );

      client.ping('there?');
      t.is(String((await once(client, 'pong'))[0]), 'there?');
      client.close(4321, 'done');
      t.is((await once(client, 'close'))[0], 4321);
      sockets.close();
      server.close();
      await once(server, 'close');
      await settled(t);
    },
  );
}

test('fastify served through us: JSON, streams, 404, close', async (t) => {
  const app = fastify({ serverFactory: (handler) => http.createServer(handler) });
  app.post('/sum', (request) => ({ sum: (request.body as number[]).reduce((a, b) => a + b, 0), ip: request.ip }));
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  const dispatcher = undici();
  const posted = await fetchWith(`${origin}/sum`, {
    ...{ dispatcher, method: 'POST', body: '[1,2,3]' },
    headers: { 'content-type': 'application/json' },
  });
  t.deepEqual(await posted.body.json(), { sum: 6, ip: '127.0.0.1' });
  const lost = await fetchWith(`${origin}/nowhere`, { dispatcher });
  t.is(lost.statusCode, 404);
  await lost.body.dump();
  await dispatcher.close();
  await app.close();
  await settled(t);
});

test('express served through us: routes, bodies, static files, errors', async (t) => {
  const app = express();
  app.use(express.json());
  app.post('/sum', (request, response) => {
    response.json({ sum: (request.body as number[]).reduce((a, b) => a + b, 0), ip: request.ip });
  });
  app.use('/files', express.static(fileURLToPath(new URL('.', import.meta.url))));
  app.get('/broken', () => {
    throw Object.assign(new Error('broken'), { status: 503 });
  });
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${portOf(server)}`;
  const dispatcher = undici();
  const posted = await fetchWith(`${origin}/sum`, {
    ...{ dispatcher, method: 'POST', body: '[1,2,3]' },
    headers: { 'content-type': 'application/json' },
  });
  t.deepEqual(await posted.body.json(), { sum: 6, ip: '127.0.0.1' });
  const file = await fetchWith(`${origin}/files/web.spec.ts`, { dispatcher });
  t.true((await file.body.text()).startsWith('// Clients and servers of the web'));
  const broken = await fetchWith(`${origin}/broken`, { dispatcher });
  t.is(broken.statusCode, 503);
  await broken.body.dump();
  await dispatcher.close();
  server.close();
  await once(server, 'close');
  await settled(t);
});

for (const app of ['express.cjs', 'express.mjs', 'fastify.cjs', 'fastify.mjs']) {
  test(`${app} as it is, registered, is served over io_uring`, async (t) => {
    const output = await runRegistered(fileURLToPath(new URL(`apps/${app}`, import.meta.url)), []);
    const { body, handles, rest } = JSON.parse(output) as Record<string, unknown>;
    t.deepEqual(body, { hello: 'ring' });
    // Listening, and the connection at both ends: the client that asks is core's `http.get` for the application.
    t.deepEqual({ handles, rest }, { handles: 3, rest: 0 });
  });
}
