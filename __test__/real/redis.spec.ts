// ioredis over our sockets against Redis.
import { AbstractConnector, Redis } from 'ioredis';
import net from 'iouring-transport/net';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { folder, freePort, runRegistered, settled, start, testWith } from './_service.ts';

class RingConnector extends AbstractConnector {
  static path: string | undefined;
  static port = 0;

  constructor(options: { disconnectTimeout: number }) {
    super(options.disconnectTimeout);
  }

  override async connect(): Promise<Socket> {
    const { path, port } = RingConnector;
    this.stream = path === undefined ? net.connect({ port, host: '127.0.0.1' }) : net.connect({ path });
    return this.stream;
  }
}

const test = testWith('redis-server');

for (const family of ['TCP', 'UNIX']) {
  test(`ioredis over ${family}: commands, pipelines, large values, subscriptions`, async (t) => {
    const port = await freePort();
    const path = `${folder(t)}/redis.sock`;
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--unixsocket', path, '--save', '', '--daemonize', 'no'];
    await start(t, { command: 'redis-server', args, ready: port });
    RingConnector.port = port;
    RingConnector.path = family === 'UNIX' ? path : undefined;

    const redis = new Redis({ Connector: RingConnector as never, lazyConnect: true });
    await redis.connect();
    t.is(await redis.set('name', 'ring'), 'OK');
    t.is(await redis.get('name'), 'ring');

    const pipeline = redis.pipeline();
    for (let i = 0; i < 2000; i++) pipeline.incr('counter');
    const results = (await pipeline.exec())!;
    t.is(results.at(-1)![1], 2000);

    const large = Buffer.alloc(5_000_000, 'abcdefghijk');
    await redis.set('large', large);
    t.true(large.equals((await redis.getBuffer('large'))!));

    const subscriber = redis.duplicate();
    await subscriber.subscribe('news');
    const message = new Promise((resolve) => subscriber.once('message', (_channel, text) => resolve(text)));
    await redis.publish('news', 'extra');
    t.is(await message, 'extra');

    await Promise.all([redis.quit(), subscriber.quit()]);
    await settled(t);
  });
}

test('ioredis as it is, registered', async (t) => {
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder(t)];
  await start(t, { command: 'redis-server', args, ready: port });
  const output = await runRegistered(fileURLToPath(new URL('apps/redis.cjs', import.meta.url)), [String(port)]);
  const { value, handles, rest } = JSON.parse(output) as { value: string; handles: number; rest: number };
  t.deepEqual({ value, handles, rest }, { value: 'ring', handles: 1, rest: 0 });
});
