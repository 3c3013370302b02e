// What is called back runs in the context of what asked for it, not of what caused it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import type core from 'node:net';
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('AsyncLocalStorage in connect, data, drain, write and end callbacks, and timeouts', async (t) => {
  const context = new AsyncLocalStorage<string>();
  const seen: string[] = [];
  const note = (what: string) => () => void seen.push(`${what} ${context.getStore()}`);
  const server = await listening({}, (socket) => socket.pipe(socket));
  await Promise.all(
    ['one', 'two', 'three'].map((name) =>
      context.run(name, async () => {
        const client = track(net.connect(portOf(server), '127.0.0.1', note('connect')));
        client.once('data', note('data'));
        client.setTimeout(10, note('timeout'));
        client.write('hello', note('write'));
        await new Promise((resolve) => client.once('timeout', resolve));
        client.end(note('finish'));
        client.once('close', note('close'));
        client.resume();
        await closeOf(client);
      }),
    ),
  );
  const expected = ['one', 'two', 'three'].flatMap((name) =>
    ['connect', 'data', 'timeout', 'write', 'finish', 'close'].map((what) => `${what} ${name}`),
  );
  t.deepEqual(seen.sort(), expected.sort());
});

test.serial('a server keeps the context that it was told to listen in', async (t) => {
  const context = new AsyncLocalStorage<string>();
  const server = track(net.createServer());
  context.run('server', () => server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const store = new Promise((resolve) => server.once('connection', () => resolve(context.getStore())));
  const client = context.run('client', () => track(net.connect((server.address() as core.AddressInfo).port, '127.0.0.1')));
  t.is(await store, 'server');
  client.destroy();
});
