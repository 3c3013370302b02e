import assert from 'node:assert';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import Redis from 'ioredis';
import Parser from 'redis-parser';
import { atEnd, folder, listening, pattern } from './_help.mjs';

/** As much of Redis as the tests ask for. */
function redis() {
  const values = new Map();
  const subscribers = new Set();
  const bulk = (value) => {
    if (value === null || value === undefined) return Buffer.from('$-1\r\n');
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
    return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
  };
  const list = (...parts) =>
    Buffer.concat([
      Buffer.from(`*${parts.length}\r\n`),
      ...parts.map((part) => (typeof part === 'number' ? Buffer.from(`:${part}\r\n`) : bulk(part))),
    ]);
  const commands = {
    info: () => bulk('redis_version:7.0.0\r\nloading:0'),
    ping: () => '+PONG\r\n',
    quit: () => '+OK\r\n',
    client: () => '+OK\r\n',
    set: (_, key, value) => (values.set(String(key), value), '+OK\r\n'),
    get: (_, key) => bulk(values.get(String(key))),
    incr: (_, key) => (values.set(String(key), Number(values.get(String(key)) ?? 0) + 1), `:${values.get(String(key))}\r\n`),
    subscribe: (socket, channel) => (subscribers.add(socket), list('subscribe', channel, 1)),
    publish(_, channel, message) {
      for (const socket of subscribers) socket.write(list('message', channel, message));
      return `:${subscribers.size}\r\n`;
    },
  };
  return net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('close', () => subscribers.delete(socket));
    const parser = new Parser({
      returnBuffers: true,
      returnReply([name, ...args]) {
        const command = commands[String(name).toLowerCase()];
        socket.write(command ? command(socket, ...args) : `-ERR unknown ${name}\r\n`);
      },
      returnError() {},
      returnFatalError: () => socket.destroy(),
    });
    socket.on('data', (data) => parser.execute(data));
  });
}

const connect = (t, options) => {
  const client = new Redis({ lazyConnect: true, protocol: 2, retryStrategy: () => 20, ...options });
  client.on('error', () => {});
  atEnd(t, () => client.disconnect());
  return client;
};

test('values, short and long', async (t) => {
  const port = await listening(t, redis());
  const client = connect(t, { port });
  for (const length of [0, 1, 70_000, 4_000_000]) {
    const bytes = pattern(length);
    await client.set('key', bytes);
    assert.ok(bytes.equals(await client.getBuffer('key')));
  }
  assert.equal(await client.get('absent'), null);
  await assert.rejects(client.call('nonsense'), /unknown/);
});

test('ten thousand commands, pipelined by hand and by itself', async (t) => {
  const port = await listening(t, redis());
  const client = connect(t, { port, enableAutoPipelining: true });
  const pipeline = client.pipeline();
  for (let number = 0; number < 5000; number++) pipeline.incr('a');
  assert.deepEqual(
    (await pipeline.exec()).map(([, value]) => value),
    Array.from({ length: 5000 }, (_, number) => number + 1),
  );
  const values = await Promise.all(Array.from({ length: 5000 }, () => client.incr('b')));
  assert.equal(values.at(-1), 5000);
});

test('subscribers', async (t) => {
  const port = await listening(t, redis());
  const [from, to] = [connect(t, { port }), connect(t, { port })];
  await to.subscribe('channel');
  const came = once(to, 'message');
  await from.publish('channel', 'news');
  assert.deepEqual(await came, ['channel', 'news']);
});

test('a lost connection is made again, and what was asked is asked again', async (t) => {
  const server = redis();
  const sockets = [];
  server.on('connection', (socket) => sockets.push(socket));
  const client = connect(t, { port: await listening(t, server) });
  await client.set('key', 'value');
  sockets[0].destroy();
  assert.equal(await client.get('key'), 'value');
  assert.equal(sockets.length, 2);
});

test('a UNIX socket, and a server that comes later', async (t) => {
  const place = path.join(folder(), 'redis.sock');
  const client = connect(t, { path: place });
  const answer = client.ping();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await listening(t, redis(), place);
  assert.equal(await answer, 'PONG');
});

test('quitting', async (t) => {
  const client = connect(t, { port: await listening(t, redis()) });
  await client.connect();
  const ended = once(client, 'end');
  assert.equal(await client.quit(), 'OK');
  client.disconnect();
  await ended;
});
