import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { atEnd, listening, pattern } from './_help.mjs';

async function broker(t) {
  const made = await Aedes.createBroker();
  const tcp = await listening(t, net.createServer(made.handle));
  const server = http.createServer();
  new WebSocketServer({ server }).on('connection', (socket) => made.handle(createWebSocketStream(socket)));
  const web = await listening(t, server);
  atEnd(t, () => new Promise((resolve) => made.close(resolve)));
  return { made, urls: { mqtt: `mqtt://127.0.0.1:${tcp}`, ws: `ws://127.0.0.1:${web}` } };
}

const connect = async (t, url, options) => {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 50, ...options });
  atEnd(t, () => client.endAsync(true));
  return client;
};

for (const scheme of ['mqtt', 'ws']) {
  for (const qos of [0, 1, 2]) {
    test(`a thousand messages in order, ${scheme}, quality ${qos}`, async (t) => {
      const { urls } = await broker(t);
      const [from, to] = [await connect(t, urls[scheme]), await connect(t, urls[scheme])];
      await to.subscribeAsync('topic', { qos });
      let next = 0;
      const all = new Promise((resolve, reject) => {
        to.on('message', (_, payload) => {
          if (Number(payload) !== next) reject(new Error(`${payload} in the place of ${next}`));
          if (++next === 1000) resolve();
        });
      });
      await Promise.all([
        all,
        ...Array.from({ length: 1000 }, (_, number) => from.publishAsync('topic', String(number), { qos })),
      ]);
    });
  }

  test(`a long message, ${scheme}`, async (t) => {
    const { urls } = await broker(t);
    const client = await connect(t, urls[scheme]);
    await client.subscribeAsync('long', { qos: 1 });
    const bytes = pattern(5_000_000);
    const came = once(client, 'message');
    await client.publishAsync('long', bytes, { qos: 1 });
    assert.ok(bytes.equals((await came)[1]));
  });

  test(`a lost connection is made again, with its subscriptions, ${scheme}`, async (t) => {
    const { urls } = await broker(t);
    const client = await connect(t, urls[scheme]);
    await client.subscribeAsync('topic');
    const again = once(client, 'connect');
    client.stream.destroy();
    await again;
    const came = once(client, 'message');
    setTimeout(() => client.publish('topic', 'back'), 50);
    assert.equal(String((await came)[1]), 'back');
  });
}

test('the last will of a client that vanished', async (t) => {
  const { urls } = await broker(t);
  const watcher = await connect(t, urls.mqtt);
  await watcher.subscribeAsync('will');
  const came = once(watcher, 'message');
  const dying = await connect(t, urls.mqtt, {
    will: { topic: 'will', payload: 'gone', qos: 0, retain: false },
    reconnectPeriod: 0,
  });
  dying.stream.destroy();
  assert.equal(String((await came)[1]), 'gone');
});

test('keep-alive', async (t) => {
  const { made, urls } = await broker(t);
  await connect(t, urls.mqtt, { keepalive: 1 });
  await once(made, 'ping');
});
