// Inactivity is noticed, activity puts it off, and a write that makes progress is activity.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { nothingLeft, pair } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial("'timeout' after silence; the socket stays open", async (t) => {
  const { client } = await pair();
  const started = performance.now();
  client.setTimeout(40);
  t.is(client.timeout, 40);
  await once(client, 'timeout');
  t.true(performance.now() - started >= 38);
  t.false(client.destroyed);
});

test.serial('reads and writes put it off; zero turns it off', async (t) => {
  const { client, peer } = await pair();
  client.on('timeout', () => t.fail());
  client.resume();
  peer.resume();
  // In all longer than the timeout, which a busy machine does not let pass in one step.
  client.setTimeout(600);
  for (let i = 0; i < 12; i++) {
    await sleep(60);
    if (i % 2 === 0) client.write('x');
    else peer.write('y');
  }
  client.setTimeout(40);
  client.setTimeout(0);
  await sleep(100);
  t.is(client.timeout, 0);
});

test.serial('a write whose peer does not read times out', async (t) => {
  const { client } = await pair({ pauseOnConnect: true });
  for (let i = 0; i < 20; i++) client.write(Buffer.alloc(1_000_000));
  client.setTimeout(60);
  await once(client, 'timeout');
  t.true(client.writableLength > 0);
});

// As oven-sh/bun#33389 has it: a long write whose peer takes a part of it and stops.
test.serial('of a write that has found room in part the first look finds progress, as with core', async (t) => {
  const { client } = await pair({ pauseOnConnect: true });
  const order: string[] = [];
  client.setTimeout(60);
  client.once('timeout', () => order.push('timeout'));
  client.write(Buffer.alloc(16_000_000));
  setTimeout(() => order.push('later than the first look'), 100);
  await once(client, 'timeout');
  t.deepEqual(order, ['later than the first look', 'timeout']);
});

test.serial('values are checked as core does', async (t) => {
  const { client } = await pair();
  t.throws(() => client.setTimeout('soon' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => client.setTimeout(-1), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => client.setTimeout(1, 'callback' as never), { code: 'ERR_INVALID_ARG_TYPE' });
});
