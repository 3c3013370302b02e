// What a server can be told: how many connections, how they begin, which interfaces, and when to stop.
import { once } from 'node:events';
import type core from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, listening, nothingLeft, onRing, pair, portOf, textOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('connections beyond maxConnections are dropped, with both ends told', async (t) => {
  const server = await listening();
  server.maxConnections = 1;
  const first = track(net.connect(portOf(server), '127.0.0.1'));
  await once(server, 'connection');
  const dropped = once(server, 'drop') as Promise<[core.DropArgument]>;
  const second = track(net.connect(portOf(server), '127.0.0.1'));
  second.on('error', () => {}).resume();
  await once(second, 'connect');
  const { port } = second.address() as core.AddressInfo;
  const [ends] = await dropped;
  t.deepEqual(
    { ...ends },
    {
      localAddress: '127.0.0.1',
      localPort: portOf(server),
      localFamily: 'IPv4',
      remoteAddress: '127.0.0.1',
      remotePort: port,
      remoteFamily: 'IPv4',
    },
  );
  await closeOf(second);

  first.destroy();
  await closeOf(first);
  await sleep(10);
  const third = track(net.connect(portOf(server), '127.0.0.1'));
  await once(server, 'connection');
  t.false(third.destroyed);
});

test.serial('addresses on the block list are closed without a word', async (t) => {
  if (!onRing) return t.pass(); // Core has it from Node 22 on.
  const blockList = new net.BlockList();
  blockList.addSubnet('127.0.0.0', 8, 'ipv4');
  const server = await listening({ blockList } as never, () => t.fail());
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  client.on('error', () => {}).resume();
  t.false(await closeOf(client));
  t.throws(() => net.createServer({ blockList: {} } as never), { code: 'ERR_INVALID_ARG_TYPE' });
  return undefined;
});

test.serial('pauseOnConnect leaves the bytes to whoever resumes', async (t) => {
  const { client, peer } = await pair({ pauseOnConnect: true });
  client.end('waiting');
  await sleep(20);
  t.is(peer.bytesRead, 0);
  t.is(await textOf(peer), 'waiting');
});

test.serial('several servers at one port with reusePort', async (t) => {
  if (!onRing) return t.pass();
  const first = await listening({}, (socket) => socket.end('1'), { port: 0, host: '127.0.0.1', reusePort: true } as never);
  const port = portOf(first);
  const second = await listening({}, (socket) => socket.end('2'), { port, host: '127.0.0.1', reusePort: true } as never);
  t.is(portOf(second), port);
  const answers = new Set<string>();
  for (let n = 0; n < 200 && answers.size < 2; n++) answers.add(await textOf(track(net.connect(port, '127.0.0.1'))));
  t.deepEqual([...answers].sort(), ['1', '2']);
  return undefined;
});

test.serial('ipv6Only leaves IPv4 alone', async (t) => {
  const server = await listening({}, undefined, { port: 0, host: '::', ipv6Only: true });
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNREFUSED');
  const both = await listening({}, undefined, { port: 0, host: '::' });
  await once(track(net.connect(portOf(both), '127.0.0.1')), 'connect');
});

test.serial('a signal closes it', async (t) => {
  const controller = new AbortController();
  const server = await listening({}, undefined, { port: 0, signal: controller.signal });
  controller.abort();
  await once(server, 'close');
  t.false(server.listening);
});

test.serial('asyncDispose closes it, once it listens', async (t) => {
  const idle = net.createServer();
  await idle[Symbol.asyncDispose]();
  const server = await listening();
  await server[Symbol.asyncDispose]();
  t.false(server.listening);
  t.is(server.address(), null);
});

test.serial('its port can be listened at again as soon as close() returns', async (t) => {
  const server = await listening();
  const port = portOf(server);
  server.close();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.is(portOf(server), port);
});

test.serial('a rejected connection listener destroys its socket', async (t) => {
  const server = await listening();
  const reject = (server as unknown as Record<symbol, (error: Error, event: string, socket: core.Socket) => void>)[
    Symbol.for('nodejs.rejection')
  ];
  const { peer } = await pair();
  const error = once(peer, 'error');
  reject.call(server, new Error('rejected'), 'connection', peer);
  t.is(((await error) as [Error])[0].message, 'rejected');
});
