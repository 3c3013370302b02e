// 'close' tells whether an error has ended the connection.
import test from 'ava';
import net from 'iouring-transport/net';
import { once } from 'node:events';
import { closeOf, errorOf, listening, nothingLeft, pair, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('false after an orderly end, at both ends', async (t) => {
  const { client, peer } = await pair();
  const closes = Promise.all([closeOf(client), closeOf(peer)]);
  client.resume();
  peer.resume();
  client.end();
  t.deepEqual(await closes, [false, false]);
});

test.serial('false after destroy()', async (t) => {
  const { client } = await pair();
  client.destroy();
  t.false(await closeOf(client));
});

test.serial('true after destroy(error), with the error before it', async (t) => {
  const { client } = await pair();
  const events: string[] = [];
  client.on('error', (error) => events.push(error.message));
  client.on('close', (hadError) => events.push(`close ${hadError}`));
  client.destroy(new Error('enough'));
  await closeOf(client);
  t.deepEqual(events, ['enough', 'close true']);
});

test.serial('true after a reset', async (t) => {
  const { client, peer } = await pair();
  client.resetAndDestroy();
  const [error, hadError] = await Promise.all([errorOf(peer), closeOf(peer)]);
  t.is(error.code, 'ECONNRESET');
  t.is(error.syscall, 'read');
  t.true(hadError);
});

test.serial('true after a connect that was refused', async (t) => {
  const server = await listening();
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  const client = track(net.connect(port, '127.0.0.1'));
  const [error, hadError] = await Promise.all([errorOf(client), closeOf(client)]);
  t.is(error.code, 'ECONNREFUSED');
  t.true(hadError);
});
