// The `onread` option: bytes go into the caller's own buffer.
import { once } from 'node:events';
import test from 'ava';
import { nothingLeft, pair } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('one buffer again and again, in order', async (t) => {
  const buffer = Buffer.alloc(1000);
  const parts: string[] = [];
  const onread = {
    buffer,
    callback: (length: number, given: Uint8Array) => {
      if (given !== buffer) t.fail();
      parts.push(buffer.toString('latin1', 0, length));
      return true;
    },
  };
  const { client, peer } = await pair({}, { onread });
  const sent = Array.from({ length: 5000 }, (_, i) => String(i)).join(' ');
  peer.end(sent);
  client.resume();
  await once(client, 'end');
  t.is(parts.join(''), sent);
  t.true(parts.every(({ length }) => length <= 1000));
});

test.serial('a function that hands out buffers, and false to pause', async (t) => {
  let received = '';
  let calls = 0;
  let paused = 0;
  const onread = {
    buffer: () => Buffer.alloc(++calls % 2 === 0 ? 100 : 64),
    callback: (length: number, buffer: Uint8Array) => {
      received += Buffer.from(buffer).toString('latin1', 0, length);
      if (calls % 7 !== 0) return true;
      paused++;
      setTimeout(() => resume(), 1);
      return false;
    },
  };
  let resume = (): void => {};
  const { client, peer } = await pair({}, { onread });
  resume = () => client.resume();
  const sent = 'onread'.repeat(2000);
  peer.end(sent);
  await once(client.resume(), 'end');
  t.is(received, sent);
  t.true(paused > 5);
});
