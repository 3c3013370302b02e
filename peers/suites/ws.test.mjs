import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { test } from 'node:test';
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws';
import { atEnd, certificate, drained, listening, pattern } from './_help.mjs';

async function echo(t, options = {}, server = http.createServer()) {
  const port = await listening(t, server);
  const sockets = new WebSocketServer({ server, ...options });
  sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  atEnd(t, () => sockets.clients.forEach((socket) => socket.terminate()));
  return { port, sockets };
}

for (const perMessageDeflate of [false, true]) {
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 3_000_000]) {
    test(`${length} bytes come back, compressed: ${perMessageDeflate}`, async (t) => {
      const { port } = await echo(t, { perMessageDeflate });
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate });
      await once(socket, 'open');
      const bytes = pattern(length);
      socket.send(bytes);
      const [data, binary] = await once(socket, 'message');
      assert.ok(binary);
      assert.ok(bytes.equals(data));
      socket.close(1000, 'enough');
      const [code, reason] = await once(socket, 'close');
      assert.deepEqual([code, String(reason)], [1000, 'enough']);
    });
  }
}

test('messages come in the order in which they went', async (t) => {
  const { port } = await echo(t);
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');
  for (let number = 0; number < 5_000; number++) socket.send(`number ${number}`);
  let next = 0;
  await new Promise((resolve, reject) => {
    socket.on('message', (data) => {
      if (String(data) !== `number ${next}`) reject(new Error(`${data} in the place of ${next}`));
      if (++next === 5_000) resolve();
    });
  });
  socket.terminate();
});

test('fragments are one message', async (t) => {
  const { port } = await echo(t);
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');
  socket.send('one ', { fin: false });
  socket.send('two ', { fin: false });
  socket.send('three');
  assert.equal(String((await once(socket, 'message'))[0]), 'one two three');
  socket.terminate();
});

test('pings are answered', async (t) => {
  const { port } = await echo(t);
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');
  socket.ping('are you there');
  assert.equal(String((await once(socket, 'pong'))[0]), 'are you there');
  socket.terminate();
});

test('a terminated peer is seen as 1006', async (t) => {
  const { port, sockets } = await echo(t);
  const accepted = once(sockets, 'connection');
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');
  const [other] = await accepted;
  other.terminate();
  assert.equal((await once(socket, 'close'))[0], 1006);
});

test('a message that is too large closes with 1009', async (t) => {
  const { port, sockets } = await echo(t, { maxPayload: 1000 });
  sockets.on('connection', (socket) => socket.on('error', () => {}));
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');
  socket.send(pattern(1001));
  assert.equal((await once(socket, 'close'))[0], 1009);
});

test('a refused upgrade has the status of its answer', async (t) => {
  const { port } = await echo(t, { verifyClient: (_, done) => done(false, 403, 'No') });
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const [error] = await once(socket, 'error');
  assert.match(error.message, /403/);
});

test('over TLS', async (t) => {
  const files = certificate();
  const { port } = await echo(t, {}, https.createServer(files));
  const socket = new WebSocket(`wss://localhost:${port}`, { ca: files.cert });
  await once(socket, 'open');
  const bytes = pattern(500_000);
  socket.send(bytes);
  assert.ok(bytes.equals((await once(socket, 'message'))[0]));
  socket.terminate();
});

test('as a stream, with back-pressure', async (t) => {
  const { port } = await echo(t);
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const stream = createWebSocketStream(socket);
  const bytes = pattern(4_000_000);
  let sent = 0;
  (async () => {
    for (; sent < bytes.length; sent += 50_000) {
      if (!stream.write(bytes.subarray(sent, sent + 50_000))) await once(stream, 'drain');
    }
  })();
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length === bytes.length) break;
  }
  assert.ok(bytes.equals(Buffer.concat(chunks)));
});

test('a raw peer that is not a WebSocket gets 400', async (t) => {
  const { port } = await echo(t);
  const socket = net.connect(port, '127.0.0.1');
  socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  assert.match(String(await drained(socket)), /^HTTP\/1\.1 400 /);
});

test('a hundred clients hear a broadcast', async (t) => {
  const { port, sockets } = await echo(t);
  const clients = Array.from({ length: 100 }, () => new WebSocket(`ws://127.0.0.1:${port}`));
  await Promise.all(clients.map((client) => once(client, 'open')));
  const heard = clients.map((client) => once(client, 'message'));
  sockets.clients.forEach((socket) => socket.send('all of you'));
  for (const [data] of await Promise.all(heard)) assert.equal(String(data), 'all of you');
});
