// mqtt over our sockets against aedes, a broker from npm that is served by us too.
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Aedes } from 'aedes';
import { MqttClient } from 'mqtt';
import net from 'iouring-transport/net';
import { settled, testWith } from './_service.ts';

const test = testWith();

test('mqtt through streamBuilder: subscriptions, 1000 messages at QoS 1, a large one, a will', async (t) => {
  const broker = await Aedes.createBroker();
  const server = net.createServer((socket) => void broker.handle(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sockets: Socket[] = [];
  const build = () => {
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    return socket;
  };
  const subscriber = new MqttClient(build, { clientId: 'subscriber', reconnectPeriod: 0 });
  const publisher = new MqttClient(build, {
    ...{ clientId: 'publisher', reconnectPeriod: 0 },
    will: { topic: 'news/end', payload: Buffer.from('gone'), qos: 1, retain: false },
  });
  await Promise.all([subscriber, publisher].map((client) => new Promise((resolve) => client.once('connect', resolve))));
  await subscriber.subscribeAsync('news/#', { qos: 1 });

  const received: string[] = [];
  subscriber.on('message', (topic, payload) => {
    received.push(topic === 'news/large' ? `large ${payload.length}` : payload.toString());
  });
  const receivedAll = async (count: number) => {
    for (let attempt = 0; attempt < 200 && received.length < count; attempt++) await sleep(25);
    t.is(received.length, count);
  };
  const sent = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
  await Promise.all(sent.map((text) => publisher.publishAsync('news/one', text, { qos: 1 })));
  await publisher.publishAsync('news/large', Buffer.alloc(2_000_000, 'x'), { qos: 1 });
  await receivedAll(1001); // The broker promises no order between topics.
  sockets[1].destroy(); // It sends the will of a client that is lost.
  await receivedAll(1002);
  t.deepEqual(received, [...sent, 'large 2000000', 'gone']);

  await publisher.endAsync(true);
  await subscriber.endAsync();
  await new Promise<void>((resolve) => broker.close(() => resolve()));
  server.close();
  await once(server, 'close');
  await settled(t);
});
