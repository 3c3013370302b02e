// What core's versions do differently: ours is as the core that it runs beside.
import { once } from 'node:events';
import dns from 'node:dns';
import core from 'node:net';
import test, { type ExecutionContext } from 'ava';
import net from 'iouring-transport/net';
import { closeOf, nothingLeft, pair, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

type Net = typeof core;
type Handle = Record<string, (...args: unknown[]) => number>;

const handleOf = (thing: object) => (thing as { _handle: Handle })._handle;
const turns = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Plays a scene with core and with ours, and compares what it tells. */
function alike(title: string, scene: (stack: Net, t: ExecutionContext) => Promise<unknown>): void {
  test.serial(title, async (t) => {
    t.deepEqual(await scene(net, t), await scene(core, t));
  });
}

alike('a socket that was never told to connect ends, or waits until it is', async ({ Socket }) => {
  const socket = track(new Socket());
  let ended = false;
  socket.end(() => (ended = true));
  await turns();
  return [ended, socket.writable, socket.writableFinished];
});

alike('an interface that there is none of says nothing', async ({ createServer, connect }) => {
  const server = track(createServer(track));
  await once(server.listen(0, '::1%nope'), 'listening');
  const client = track(connect({ port: portOf(server), host: '::1%nope', localAddress: '::1%none' }));
  await once(client, 'connect');
  return [(server.address() as core.AddressInfo).address, client.remoteAddress, client.localAddress];
});

alike('a prototype can be looked through, as tools that copy a module do', ({ Socket, Server }) => {
  const thrown: string[] = [];
  for (const { prototype } of [Socket, Server]) {
    for (const seen of [prototype, Object.create(prototype) as object]) {
      for (const name of Object.getOwnPropertyNames(prototype)) {
        try {
          void (seen as Record<string, unknown>)[name];
        } catch {
          thrown.push(name);
        }
      }
    }
  }
  return Promise.resolve(thrown);
});

for (const most of [0, null, undefined, 1, '1', false] as unknown[]) {
  alike(`maxConnections = ${typeof most} ${String(most)}`, async ({ createServer, connect }) => {
    const seen: string[] = [];
    const server = track(createServer(track)).on('connection', () => seen.push('connection'));
    server.on('drop', (ends) => seen.push(`drop ${Object.keys(ends ?? {}).join()}`));
    server.maxConnections = most as number;
    await once(server.listen(0, '127.0.0.1'), 'listening');
    for (let count = 0; count < 2; count++) {
      const client = track(connect(portOf(server), '127.0.0.1'));
      client.on('error', () => {});
      await once(client, 'connect');
      await turns();
    }
    return seen;
  });
}

for (const list of [null, false, 0, '', {}] as unknown[]) {
  test.serial(`no block list: ${JSON.stringify(list)}`, (t) => {
    const outcome = (make: () => object) => {
      try {
        return Object.hasOwn(make(), 'blockList');
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    };
    const blockList = list as core.BlockList;
    const expected = list ? 'ERR_INVALID_ARG_TYPE' : false;
    t.is(
      outcome(() => net.createServer({ blockList } as core.ServerOpts)),
      expected,
    );
    t.is(
      outcome(() => new net.Socket({ blockList } as core.SocketConstructorOpts)),
      expected,
    );
  });
}

alike('a host with link-local addresses', async ({ createServer }) => {
  const { lookup } = dns;
  const asked: unknown[] = [];
  const found = [
    { address: 'febf::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ];
  Object.assign(dns, {
    lookup(_host: string, options: object, done: (error: null, ...answer: unknown[]) => void) {
      asked.push(typeof options);
      if (typeof options === 'function') (options as typeof done)(null, '127.0.0.1', 4);
      else done(null, found);
    },
  });
  try {
    const server = track(createServer()).listen(0, 'several');
    await once(server, 'listening');
    return [asked, (server.address() as core.AddressInfo).address];
  } finally {
    Object.assign(dns, { lookup });
  }
});

alike('IPv6 alone, without a host', async ({ createServer }) => {
  const server = track(createServer()).listen({ port: 0, ipv6Only: true });
  await once(server, 'listening');
  const client = track(core.connect(portOf(server), '127.0.0.1'));
  return once(client, 'connect').then(
    () => 'connected',
    (error: NodeJS.ErrnoException) => error.code,
  );
});

alike("what a socket tells its handle's members", async ({ createServer, connect }) => {
  const told: unknown[] = [];
  const server = track(createServer(track));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = track(
    connect({ port: portOf(server), host: '127.0.0.1', noDelay: true, keepAlive: true, keepAliveInitialDelay: 3000 }),
  );
  for (const name of ['setNoDelay', 'setKeepAlive']) handleOf(client)[name] = (...args) => told.push([name, ...args]);
  await once(client, 'connect');
  client.setNoDelay(false);
  client.setKeepAlive(true, 4000);
  client.setKeepAlive(true, 4000);
  client.setKeepAlive(false);
  return told;
});

alike('what a server tells the handles of its connections, and asks its own', async ({ createServer, connect }) => {
  const told: unknown[] = [];
  const server = track(createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 2000 }, track));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const port = portOf(server);
  const { onconnection } = handleOf(server);
  handleOf(server).onconnection = (status, client) => {
    for (const name of ['setNoDelay', 'setKeepAlive']) (client as Handle)[name] = (...args) => told.push([name, ...args]);
    return onconnection.call(handleOf(server), status, client);
  };
  track(connect(port, '127.0.0.1'));
  await once(server, 'connection');
  handleOf(server).getsockname = (result) => {
    Object.assign(result as object, { port: 1 });
    return 0;
  };
  told.push(server.address());
  handleOf(server).getsockname = () => -9;
  try {
    server.address();
  } catch (error) {
    told.push((error as Error).message);
  }
  return told;
});

alike('a write on a handle that was closed below the socket', async ({ createServer, connect }) => {
  const server = track(createServer(track));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const errors: unknown[] = [];
  for (const data of ['text', Buffer.from('bytes'), Buffer.alloc(100_000)]) {
    const client = track(connect(portOf(server), '127.0.0.1'));
    await once(client, 'connect');
    (handleOf(client) as unknown as core.Socket & { close(): void }).close();
    client.write(data);
    const [{ message }] = (await once(client, 'error')) as [Error];
    errors.push(message);
  }
  return errors;
});

for (const [how, close] of Object.entries({
  destroyed: (socket: core.Socket) => socket.destroy(),
  'destroyed with an error': (socket: core.Socket) => socket.destroy(new Error('mine')),
  reset: (socket: core.Socket) => socket.resetAndDestroy(),
})) {
  alike(`a write that is cut off: ${how}`, async ({ createServer, connect }) => {
    const told: unknown[] = [];
    const tell = (name: string) => (error?: Error | null) => told.push([name, error?.message]);
    const server = track(createServer({ pauseOnConnect: true }, track));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const client = track(connect(portOf(server), '127.0.0.1'));
    client.on('error', tell('error'));
    await once(client, 'connect');
    client.write(Buffer.alloc(64 * 1024 * 1024), tell('long'));
    client.write('queued', tell('queued'));
    client.end(tell('end'));
    await turns();
    close(client);
    await closeOf(client);
    await turns();
    return told;
  });
}

test.serial('probes of a silent peer, where core has them', async (t) => {
  if (core.Socket.prototype.setKeepAlive.length < 3) {
    t.pass();
    return;
  }
  const { client } = await pair();
  const told: unknown[] = [];
  handleOf(client).setKeepAlive = (...args) => told.push(args);
  const set = client.setKeepAlive.bind(client) as (...args: unknown[]) => void;
  set(true, 2000, 3000, 4);
  set({ enable: true, initialDelay: 5000, interval: 6000, count: 7 });
  set({ enable: true, initialDelay: 5000, interval: 6000, count: 7 });
  set({});
  t.deepEqual(told, [
    [true, 2, 3, 4],
    [true, 5, 6, 7],
    [false, 0, undefined, undefined],
  ]);
});
