// Either direction ends by itself; allowHalfOpen decides whether the other follows.
import { once } from 'node:events';
import test from 'ava';
import { nothingLeft, pair, textOf } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('the client ends first and still gets the answer', async (t) => {
  const { client, peer } = await pair({ allowHalfOpen: true });
  const answer = textOf(client);
  client.end('question');
  t.is(await textOf(peer), 'question');
  t.true(peer.writable);
  t.is(peer.readyState, 'writeOnly');
  peer.end('answer');
  t.is(await answer, 'answer');
});

test.serial('the server ends first and still gets what the client sends', async (t) => {
  const { client, peer } = await pair({}, { allowHalfOpen: true });
  const rest = textOf(peer);
  peer.end('greeting');
  t.is(await textOf(client), 'greeting');
  client.write('late ');
  client.end('words');
  t.is(await rest, 'late words');
});

test.serial('without allowHalfOpen an end is answered by an end, after what was still to be sent', async (t) => {
  const { client, peer } = await pair();
  const big = Buffer.alloc(3_000_000, 'z');
  const received = textOf(client);
  peer.write(big);
  client.end();
  peer.resume();
  t.is((await received).length, big.length);
  for (const socket of [client, peer]) if (!socket.closed) await once(socket, 'close');
  t.true(peer.writableFinished);
});

test.serial('end() flushes more than the kernel takes at once before the peer sees the end', async (t) => {
  const { client, peer } = await pair({ pauseOnConnect: true });
  client.end(Buffer.alloc(8_000_000, 'q'));
  const received = textOf(peer);
  t.is((await received).length, 8_000_000);
});
