// Writing to a socket that is ended, destroyed or not connected any more.
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, errorOf, nothingLeft, pair, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

type Failure = NodeJS.ErrnoException | null | undefined;

test.serial('after end()', async (t) => {
  const { client } = await pair({ allowHalfOpen: true });
  client.end();
  const error = errorOf(client);
  const inCallback = new Promise<Failure>((resolve) => client.write('late', resolve));
  t.is((await error).code, 'ERR_STREAM_WRITE_AFTER_END');
  t.is((await inCallback)?.code, 'ERR_STREAM_WRITE_AFTER_END');
});

test.serial('after the peer has ended, which ends this side too', async (t) => {
  const { client, peer } = await pair();
  client.resume();
  const ended = new Promise((resolve) => client.once('end', () => setImmediate(resolve)));
  peer.end();
  await ended;
  const outcome = new Promise<Failure>((resolve) => client.write('late', resolve));
  client.on('error', () => {});
  const code = (await outcome)?.code;
  t.true(code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED', code);
});

test.serial('after destroy()', async (t) => {
  const { client } = await pair();
  client.destroy();
  const outcome = new Promise<Failure>((resolve) => client.write('late', resolve));
  t.is((await outcome)?.code, 'ERR_STREAM_DESTROYED');
  t.false(await closeOf(client));
});

test.serial('to a socket that was never connected', async (t) => {
  const socket = track(new net.Socket());
  const error = errorOf(socket);
  socket.write('where to?');
  t.is((await error).code, 'ERR_SOCKET_CLOSED');
});

test.serial('a write under way when the socket is destroyed gets its callback', async (t) => {
  const { client } = await pair({ pauseOnConnect: true });
  let last: Promise<Failure> | undefined;
  for (let i = 0; i < 40; i++) last = new Promise((resolve) => client.write(Buffer.alloc(500_000), resolve));
  client.destroy();
  t.true((await last) instanceof Error);
});

test.serial('what is written right before destroy() of the other side is an error or nothing, never a hang', async (t) => {
  const { client, peer } = await pair();
  peer.on('error', () => {}).resume();
  client.on('error', () => {});
  const close = closeOf(client);
  peer.destroy();
  const timer = setInterval(() => client.write('x'.repeat(1000)), 1);
  await close;
  clearInterval(timer);
  t.true(client.destroyed);
});
