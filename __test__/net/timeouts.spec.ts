// Inactivity is noticed, activity puts it off, and a write that makes progress is activity.
import core from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import ours from 'iouring-transport/net';
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
for (const [name, net] of Object.entries({ core, ours })) {
  test.serial(`of a write that has found room in part the first look finds progress, ${name}`, async (t) => {
    const server = core.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect((server.address() as core.AddressInfo).port, '127.0.0.1') as core.Socket & { _onTimeout(): void };
    const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[core.Socket], unknown];
    let heard = 0;
    // Long enough for the looks to be those below alone.
    client.setTimeout(1_000_000, () => heard++);
    client.write(Buffer.alloc(16_000_000));
    await sleep(100);
    client._onTimeout();
    t.is(heard, 0);
    while (heard === 0) {
      await sleep(20);
      client._onTimeout();
    }
    client.destroy();
    peer.destroy();
    server.close();
    await once(server, 'close');
  });
}

test.serial('values are checked as core does', async (t) => {
  const { client } = await pair();
  t.throws(() => client.setTimeout('soon' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => client.setTimeout(-1), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => client.setTimeout(1, 'callback' as never), { code: 'ERR_INVALID_ARG_TYPE' });
});
