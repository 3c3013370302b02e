import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { atEnd, listening, pattern } from './_help.mjs';

async function serve(t, options) {
  const server = http.createServer();
  const port = await listening(t, server);
  const sockets = new Server(server, options);
  atEnd(t, () => sockets.close());
  const connect = (choice = {}) => {
    const client = io(`http://127.0.0.1:${port}`, { forceNew: true, ...choice });
    atEnd(t, () => client.close());
    return client;
  };
  return { port, sockets, connect };
}

for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
  test(`events, answers and binary over ${transports.join(' and ')}`, async (t) => {
    const { sockets, connect } = await serve(t);
    sockets.on('connection', (socket) => {
      socket.on('add', (a, b, answer) => answer(a + b));
      socket.on('bytes', (bytes) => socket.emit('bytes', bytes));
    });
    const client = connect({ transports });
    await once(client, 'connect');
    assert.equal(await client.emitWithAck('add', 1, 2), 3);
    const bytes = pattern(200_000);
    client.emit('bytes', bytes);
    const [back] = await once(client, 'bytes');
    assert.ok(bytes.equals(Buffer.from(back)));
  });
}

test('the upgrade from polling loses nothing', async (t) => {
  const { sockets, connect } = await serve(t);
  sockets.on('connection', (socket) => socket.on('number', (number) => socket.emit('number', number)));
  const client = connect();
  await once(client, 'connect');
  let next = 0;
  const all = new Promise((resolve, reject) => {
    client.on('number', (number) => {
      if (number !== next) reject(new Error(`${number} in the place of ${next}`));
      if (++next === 1000) resolve();
    });
  });
  for (let number = 0; number < 1000; number++) {
    client.emit('number', number);
    if (number % 50 === 0) await new Promise(setImmediate);
  }
  await all;
});

test('rooms and broadcasts', async (t) => {
  const { sockets, connect } = await serve(t);
  sockets.on('connection', (socket) => {
    socket.join(socket.handshake.query.room);
  });
  const clients = ['a', 'a', 'b'].map((room) => connect({ query: { room } }));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  const heard = [];
  clients.forEach((client, number) => client.on('to', (room) => heard.push(`${number}${room}`)));
  const last = clients.map((client) => once(client, 'end'));
  sockets.to('a').emit('to', 'a');
  sockets.to('b').emit('to', 'b');
  sockets.emit('end');
  await Promise.all(last);
  assert.deepEqual(heard.sort(), ['0a', '1a', '2b']);
});

test('a client comes back after its connection was lost', async (t) => {
  const { sockets, connect } = await serve(t);
  const client = connect({ transports: ['websocket'], reconnectionDelay: 10 });
  await once(client, 'connect');
  const [socket] = await sockets.fetchSockets();
  const gone = once(client, 'disconnect');
  socket.conn.transport.socket.terminate();
  assert.equal((await gone)[0], 'transport close');
  await once(client, 'connect');
});

test('closing the server disconnects everybody', async (t) => {
  const { sockets, connect } = await serve(t);
  const clients = Array.from({ length: 10 }, () => connect({ reconnection: false }));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  const gone = clients.map((client) => once(client, 'disconnect'));
  await sockets.close();
  await Promise.all(gone);
});
