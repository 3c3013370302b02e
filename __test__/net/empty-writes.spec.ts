// Writing nothing is a write like any other: its callback comes, and nothing is sent.
import { once } from 'node:events';
import test from 'ava';
import { nothingLeft, pair, textOf } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('empty buffers and strings, alone and between others', async (t) => {
  const { client, peer } = await pair();
  const received = textOf(peer);
  const written = (chunk: string | Uint8Array) => new Promise((resolve) => client.write(chunk, resolve));
  await written('');
  await written(Buffer.alloc(0));
  await Promise.all([written('a'), written(''), written(new Uint8Array(0)), written('b')]);
  client.cork();
  client.write('');
  client.write(Buffer.alloc(0));
  client.uncork();
  client.end('');
  t.is(await received, 'ab');
  t.is(client.bytesWritten, 2);
});

test.serial('an end without a byte', async (t) => {
  const { client, peer } = await pair();
  peer.on('data', () => t.fail());
  client.end();
  await once(peer, 'end');
  t.is(peer.bytesRead, 0);
});
