// How a connection is made: which address of several, from where, whether at all, and again.
import { once } from 'node:events';
import type core from 'node:net';
import type { LookupAddress } from 'node:dns';
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, errorOf, listening, nothingLeft, onRing, pair, portOf, textOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const V4: LookupAddress = { address: '127.0.0.1', family: 4 };
const V6: LookupAddress = { address: '::1', family: 6 };

const answering = (addresses: LookupAddress[]) => (_name: string, _options: unknown, answer: (...args: any[]) => void) =>
  answer(null, addresses);

test.serial('the other family is tried when the first is refused', async (t) => {
  const server = await listening({}, (socket) => socket.end('reached'));
  const client = track(
    net.connect({ port: portOf(server), host: 'both', autoSelectFamily: true, lookup: answering([V6, V4]) as never }),
  );
  const failed: string[] = [];
  client.on('connectionAttemptFailed', (address) => failed.push(address));
  t.is(await textOf(client), 'reached');
  t.deepEqual(failed, ['::1']);
  t.deepEqual(client.autoSelectFamilyAttemptedAddresses, [`::1:${portOf(server)}`, `127.0.0.1:${portOf(server)}`]);
  t.is(client.remoteFamily ?? 'IPv4', 'IPv4');
});

test.serial('every refusal is told when all are refused', async (t) => {
  const server = await listening();
  const port = portOf(server);
  server.close();
  const client = track(net.connect({ port, host: 'both', autoSelectFamily: true, lookup: answering([V4, V6]) as never }));
  const [error, close] = [errorOf(client), closeOf(client)];
  const { code, errors, name, message } = (await error) as unknown as AggregateError & { code: string };
  t.is(name, 'AggregateError');
  t.is(code, 'ECONNREFUSED');
  t.is(message, '');
  t.deepEqual(
    errors.map(({ message: each }: Error) => each),
    [`connect ECONNREFUSED 127.0.0.1:${port}`, `connect ECONNREFUSED ::1:${port}`],
  );
  t.true(await close);
});

test.serial('from the address and port that were asked for', async (t) => {
  const server = await listening();
  const probe = await listening();
  const localPort = portOf(probe);
  probe.close();
  await once(probe, 'close');
  const client = track(net.connect({ port: portOf(server), host: '127.0.0.1', localAddress: '127.0.0.1', localPort }));
  const [socket] = (await once(server, 'connection')) as [core.Socket];
  t.is(socket.remotePort, localPort);
  t.is(client.localPort, localPort);
});

test.serial('not to what the block list rules out', async (t) => {
  if (!onRing) return t.pass(); // Core has it from Node 22 on.
  const blockList = new net.BlockList();
  blockList.addAddress('127.0.0.1');
  const client = track(net.connect({ port: 1, host: '127.0.0.1', blockList } as never));
  const attempts: unknown[] = [];
  client.on('connectionAttempt', (...attempt) => attempts.push(attempt));
  const error = await errorOf(client);
  t.is(error.code, 'ERR_IP_BLOCKED');
  // It is told of first, as core does.
  t.deepEqual(attempts, [['127.0.0.1', 1, 4]]);
  t.is(error.message, 'IP(127.0.0.1) is blocked by net.BlockList');
  return undefined;
});

test.serial('again, after it was destroyed', async (t) => {
  const server = await listening({}, (socket) => socket.end('hello'));
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  for (let round = 0; round < 3; round++) {
    t.is(await textOf(client), 'hello');
    if (!client.destroyed) await closeOf(client);
    t.true(client.destroyed);
    client.removeAllListeners('data').connect(portOf(server), '127.0.0.1');
    t.false(client.destroyed);
    t.true(client.connecting);
  }
  await closeOf(client.resume());
});

test.serial('while it is connecting: as the system says', async (t) => {
  const server = await listening();
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  const error = errorOf(client);
  client.connect(portOf(server), '127.0.0.1');
  t.is((await error).code, 'EALREADY');
});

test.serial('the timeout option is the socket’s timeout', async (t) => {
  const server = await listening();
  const client = track(net.connect({ port: portOf(server), host: '127.0.0.1', timeout: 20 }));
  t.is(client.timeout, 20);
  await once(client, 'timeout');
});

test.serial('unread settings wait for the connection', async (t) => {
  const { client } = await pair({}, { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000 });
  t.is(client.setNoDelay(), client);
  t.is(client.setKeepAlive(true, 2000), client);
});
