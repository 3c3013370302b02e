// Sockets in `for await`, and `await using`.
import { once } from 'node:events';
import type core from 'node:net';
import test from 'ava';
import net from 'iouring-transport/net';
import { listening, nothingLeft, pair } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('for await over what arrives, to the end', async (t) => {
  const { client, peer } = await pair();
  const all = Buffer.alloc(700_000, 'abc');
  client.end(all);
  const chunks: Buffer[] = [];
  for await (const chunk of peer) chunks.push(chunk as Buffer);
  t.deepEqual(Buffer.concat(chunks), all);
});

test.serial('leaving the loop destroys the socket', async (t) => {
  const { client, peer } = await pair();
  client.on('error', () => {}).write('first');
  for await (const chunk of peer) {
    t.is(String(chunk), 'first');
    break;
  }
  t.true(peer.destroyed);
});

test.serial('a reset is thrown out of the loop', async (t) => {
  const { client, peer } = await pair();
  client.write('x');
  await t.throwsAsync(
    async () => {
      for await (const chunk of peer) {
        t.is(String(chunk), 'x');
        client.resetAndDestroy();
      }
    },
    { code: 'ECONNRESET' },
  );
});

test.serial('Symbol.asyncDispose of servers and sockets', async (t) => {
  const server = await listening();
  await server[Symbol.asyncDispose]();
  t.false(server.listening);
  await server[Symbol.asyncDispose](); // Nothing to do any more.

  const { client } = await pair();
  const error = once(client, 'error').catch(() => {});
  await (client as unknown as AsyncDisposable)[Symbol.asyncDispose]();
  t.true(client.destroyed);
  client.emit('error'); // Nobody waits for one but us.
  await error;
});

test.serial("once(server, 'listening') and on(server, 'connection')", async (t) => {
  const server = await listening();
  const { port } = server.address() as core.AddressInfo;
  const client = net.connect(port, '127.0.0.1');
  const [peer] = (await once(server, 'connection')) as [core.Socket];
  t.is(peer.remotePort, client.localPort);
  client.destroy();
  peer.destroy();
});
