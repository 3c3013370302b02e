// Options made of defaults.
import test from 'ava';
import { defaults, withOptions, worker } from 'iouring-transport/transport';

test('defaults cannot be changed, and options made of them neither', async (t) => {
  t.true(Object.isFrozen(defaults));
  for (const [kind, options] of Object.entries(defaults)) t.true(Object.isFrozen(options), kind);
  const options = withOptions(defaults.tcpServer, { backlog: 16, host: '::1', transport: { deferAccept: 1 } });
  t.true(Object.isFrozen(options) && Object.isFrozen(options.transport));
  t.like(options, { ...defaults.tcpServer, backlog: 16, host: '::1' });
  t.is(defaults.tcpServer.host, '127.0.0.1');
});

test('one after the other, and what is within them too; undefined says nothing', (t) => {
  const signal = new AbortController().signal;
  const first = withOptions(defaults.tcpClient, { port: 1, signal, transport: { userTimeout: 5, ttl: 3 } });
  const second = withOptions(first, { transport: { ttl: 4 }, host: undefined });
  t.deepEqual(second.transport as unknown, { userTimeout: 5, ttl: 4 });
  t.is(second.host, defaults.tcpClient.host);
  t.is(second.signal, signal);
  t.false(Object.isFrozen(signal));
  t.is(first.transport.ttl, 3);
  for (const what of [null, 1, undefined]) {
    t.throws(() => withOptions(what as never, {}), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => withOptions({}, what as never), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test('what is made with the defaults is what is made with nothing', async (t) => {
  const server = await worker.servers.tcp(withOptions(defaults.tcpServer, { port: 0 }), () => {});
  await using socket = await worker.servers.udp(defaults.udpServer);
  t.is((server.address as { address: string }).address, '127.0.0.1');
  t.is((socket.address as { address: string }).address, '127.0.0.1');
  const { port } = server.address as { port: number };
  const client = await worker.clients.tcp(withOptions(defaults.tcpClient, { port }));
  t.true(client.active);
  await client.close({ gracefulTimeout: 0 });
  await server.close({ gracefulTimeout: 0 });
});
