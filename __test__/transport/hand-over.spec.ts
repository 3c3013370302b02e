// Connections that are given up: to another worker, or as a descriptor. That takes the ring.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Transport, worker, type Connection } from 'iouring-transport/transport';
import { openSockets } from '../_descriptors.ts';
import { readBytes } from './_bytes.ts';
import { nothingLeft } from './_left.ts';
import { does, thread } from './_workers.ts';

type Kind = 'tcp' | 'unix';

/** Both ends of a connection within this thread. */
async function pair(t: ExecutionContext, kind: Kind, options: object = {}): Promise<[Connection, net.Socket]> {
  let take: (connection: Connection) => void;
  const accepted = new Promise<Connection>((resolve) => (take = resolve));
  const where = path.join(os.tmpdir(), `hand-over-${process.pid}-${randomBytes(4).toString('hex')}`);
  const server =
    kind === 'tcp'
      ? await worker.servers.tcp(options, (connection) => take(connection))
      : await worker.servers.unix({ path: where, ...options }, (connection) => take(connection));
  const peer = kind === 'tcp' ? net.connect((server.address as net.AddressInfo).port, '127.0.0.1') : net.connect(where);
  t.teardown(async () => {
    peer.destroy();
    await server.close({ gracefulTimeout: 0 });
  });
  return [await accepted, peer];
}

/** All that a socket receives, as soon as it is so much. */
function receive(socket: net.Socket, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let got = 0;
  return new Promise((resolve) => {
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      got += part.length;
      if (got >= length) resolve(Buffer.concat(parts));
    });
  });
}

for (const kind of ['tcp', 'unix'] as const) {
  test.serial(`${kind}: from hand to hand, bytes that come all the while are neither lost nor doubled`, async (t) => {
    const before = openSockets();
    const [first, peer] = await pair(t, kind);
    const bytes = randomBytes(1024 * 1024);
    void (async () => {
      for (let at = 0; at < bytes.length; at += 3000) {
        peer.write(bytes.subarray(at, at + 3000));
        if (at % 30_000 === 0) await new Promise(setImmediate);
      }
    })();
    let connection = first;
    const parts: Buffer[] = [];
    for (let round = 0, got = 0; got < bytes.length; round++) {
      for (let reads = round % 4; reads > 0 && got < bytes.length; reads--) {
        const payload = await connection.read();
        parts.push(payload!.takeBytes());
        got += parts.at(-1)!.length;
      }
      const { fd, received } = await connection.detach();
      t.is(await connection.closed, null);
      connection = worker.clients.adopt({ fd, received });
    }
    t.true(bytes.equals(Buffer.concat(parts)));
    // It was in order to the end: it goes on both ways.
    const answer = receive(peer, 4);
    await connection.writeSingle(Buffer.from('done'));
    t.is((await answer).toString(), 'done');
    peer.end();
    t.is(await connection.read(), null);
    await connection.closed;
    await nothingLeft(t, worker, before + 1);
  });

  test.serial(`${kind}: what was written before arrives before what the next one writes`, async (t) => {
    const [connection, peer] = await pair(t, kind);
    const bytes = randomBytes(4 * 1024 * 1024);
    const detached = (connection.writeSingle(bytes), connection.detach());
    t.false(connection.active);
    await t.throwsAsync(connection.writeSingle(Buffer.from('late')), { code: 'ERR_IOURING_CLOSED' });
    await t.throwsAsync(connection.shutdown(), { code: 'ERR_IOURING_CLOSED' });
    const got = receive(peer, bytes.length + 5);
    const next = worker.clients.adopt(await detached);
    await next.writeSingle(Buffer.from('after'));
    t.true(Buffer.concat([bytes, Buffer.from('after')]).equals(await got));
    await next.close({ gracefulTimeout: 0 });
  });

  test.serial(`${kind}: who reads hears of a connection that is closed, and so does who gives it up again`, async (t) => {
    const [connection] = await pair(t, kind);
    const reading = t.throwsAsync(connection.read(), { code: 'ERR_IOURING_CLOSED' });
    const { fd, received } = await connection.detach();
    await reading;
    t.is(received.length, 0);
    await t.throwsAsync(connection.detach(), { code: 'ERR_IOURING_CLOSED' });
    closeSync(fd);
  });

  test.serial(`${kind}: the peer's end is there for who gets the connection`, async (t) => {
    const [connection, peer] = await pair(t, kind, { allowHalfOpen: true });
    peer.end('last words');
    while (!connection.ended) await sleep(5);
    const { fd, received } = await connection.detach();
    t.is(received.toString(), 'last words');
    const next = worker.clients.adopt({ fd, received });
    t.is((await readBytes(next, 100)).toString(), 'last words');
    t.is(await next.read(), null);
    await next.closed;
  });

  test.serial(`${kind}: whether a descriptor is in blocking mode stays as it was`, async (t) => {
    const [connection] = await pair(t, kind);
    const { fd } = await connection.detach();
    const flags = (): string => /^flags:.*$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))![0];
    const before = flags();
    t.regex(before, /[0-3]...$/, 'it is in blocking mode');
    const next = worker.clients.adopt({ fd });
    t.is(flags(), before);
    await next.close({ gracefulTimeout: 0 });
  });

  test.serial(`${kind}: a connection that is closed while it is given up is closed`, async (t) => {
    const before = openSockets();
    const [connection, peer] = await pair(t, kind);
    // The peer does not read, so that this is not sent.
    void connection.writeSingle(randomBytes(32 * 1024 * 1024));
    const detached = t.throwsAsync(connection.detach(), { code: 'ERR_IOURING_CLOSED' });
    await connection.close({ gracefulTimeout: 0 });
    await detached;
    peer.destroy();
    await nothingLeft(t, worker, before + 1);
  });

  for (const when of ['at once', 'when it receives no more']) {
    test.serial(`${kind}: closing a connection while it is given up sends what was written: ${when}`, async (t) => {
      const before = openSockets();
      const [connection, peer] = await pair(t, kind);
      const bytes = randomBytes(32 * 1024 * 1024);
      // Bytes that the peer does not read, so that this takes until it does.
      void connection.writeSingle(bytes);
      const detached = t.throwsAsync(connection.detach(), { code: 'ERR_IOURING_CLOSED' });
      if (when !== 'at once') while (!connection.ended) await sleep(5);
      t.true(connection.pendingBytes > 0);
      const closed = connection.close({ gracefulTimeout: 60_000 });
      await detached;
      const parts: Buffer[] = [];
      for await (const part of peer) parts.push(part as Buffer);
      t.true(bytes.equals(Buffer.concat(parts)));
      await closed;
      t.is(await connection.closed, null);
      await nothingLeft(t, worker, before + 1);
    });
  }
}

test.serial('what is no socket cannot be adopted, and stays the caller’s', async (t) => {
  const adopt = (options: unknown) => () => worker.clients.adopt(options as never);
  t.throws(adopt({ fd: -1 }), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(adopt({ fd: '1' }), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(adopt({ fd: 0, received: 'x' }), { code: 'ERR_INVALID_ARG_TYPE' });
  const fd = openSync(process.execPath, 'r');
  t.throws(adopt({ fd }), { code: 'ENOTSOCK' });
  closeSync(fd);
  const [, theirs] = await pair(t, 'tcp');
  t.throws(adopt({ fd: (theirs as unknown as { _handle: { fd: number } })._handle.fd }), { code: 'EEXIST' }, 'core uses it');
  await t.throwsAsync(worker.handOff({} as never, 1), { code: 'ERR_INVALID_ARG_TYPE' });
  const [connection] = await pair(t, 'tcp');
  await t.throwsAsync(worker.handOff(connection, 1), { code: 'ERR_INVALID_STATE' });
  t.true(connection.active);
  await connection.close({ gracefulTimeout: 0 });
});

/** Worker 1 listens, and hands all connections over once it has heard something; worker 2 does what it is told. */
const relays = (second: string): string =>
  does(`if (worker.id === 2) { ${second} }
    else {
      const server = await worker.servers.tcp({}, async (connection) => {
        // Something is left that was received and not asked for.
        const payload = await connection.read();
        await connection.writeSingle(payload);
        payload.release();
        worker.handOff(connection, 2).then(() => worker.send(0, 'taken'), (error) => worker.send(0, error.code));
      });
      worker.send(0, server.address.port);
    }`);

/** Such workers, once they have started. */
async function relay(t: ExecutionContext, second: string): Promise<{ transport: Transport; port: number; outcomes: unknown[] }> {
  const transport = new Transport({ thread, workers: 2, restart: { limit: 0 } });
  t.teardown(() => transport.shutdown({ gracefulTimeout: 0 }));
  const outcomes: unknown[] = [];
  const told = new Promise<number>((resolve) => {
    transport.on('message', (value) => {
      if (typeof value === 'number') resolve(value);
      else outcomes.push(value);
    });
  });
  await transport.start(relays(second));
  return { transport, port: await told, outcomes };
}

test.serial('a worker takes over what another has accepted, with what that has received', async (t) => {
  const before = openSockets();
  const { transport, port, outcomes } = await relay(
    t,
    `worker.on('connection', async (connection, from) => {
      for await (const payload of connection) { await connection.writeSingle(payload); payload.release(); }
    });`,
  );
  const all = await Promise.all(
    Array.from({ length: 32 }, async (_, index) => {
      const bytes = randomBytes(100_000 + index * 1001);
      const socket = net.connect(port, '127.0.0.1');
      const got = receive(socket, bytes.length);
      for (let at = 0; at < bytes.length; at += 7000) {
        socket.write(bytes.subarray(at, at + 7000));
        if (at % 21_000 === 0) await new Promise(setImmediate);
      }
      const same = bytes.equals(await got);
      socket.end();
      await once(socket, 'end');
      return same;
    }),
  );
  t.true(all.every(Boolean));
  while (outcomes.length < all.length) await once(transport, 'message');
  t.true(outcomes.every((outcome) => outcome === 'taken'));
  await transport.shutdown();
  await nothingLeft(t, worker, before);
});

test.serial('a worker that is still starting takes a connection over when it has started', async (t) => {
  const before = openSockets();
  const transport = new Transport({ thread, workers: 2, restart: { limit: 0 } });
  t.teardown(() => transport.shutdown({ gracefulTimeout: 0 }));
  const told = once(transport, 'message') as Promise<[number]>;
  // Its loop runs meanwhile, so that what comes is heard.
  const starting = transport.start(
    relays(`await new Promise((resolve) => setTimeout(resolve, 1000));
    worker.on('connection', (connection, from) => connection.writeSingle(Buffer.from(' from ' + from)));`),
  );
  const socket = net.connect((await told)[0], '127.0.0.1', () => socket.write('hello'));
  const outcome = once(transport, 'message');
  const closed = once(socket, 'close');
  const got = receive(socket, 'hello from 1'.length);
  t.is((await Promise.race([got, closed])).toString(), 'hello from 1');
  t.is((await outcome)[0], 'taken');
  await starting;
  socket.destroy();
  await transport.shutdown();
  await nothingLeft(t, worker, before);
});

const refusals: readonly (readonly [string, string])[] = [
  ['nobody listens', ''],
  ['it is over', 'setImmediate(() => process.exit(0));'],
  ['it ends with the first', "worker.on('connection', () => process.exit(0));"],
  ['it hangs, and is ended by force', "worker.on('connection', () => { for (;;); });"],
];
for (const [which, second] of refusals) {
  test.serial(`a connection that a worker does not take is closed: ${which}`, async (t) => {
    const before = openSockets();
    const { transport, port, outcomes } = await relay(t, second);
    const ends = Array.from({ length: 10 }, async () => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write('hello')).resume();
      socket.on('error', () => {});
      await once(socket, 'close');
    });
    if (which.includes('force')) {
      while (outcomes.length === 0) await once(transport, 'message');
      await transport.shutdown({ gracefulTimeout: 0 });
    }
    await Promise.all(ends);
    if (!which.includes('force')) {
      while (outcomes.length < ends.length) await once(transport, 'message');
      const taken = outcomes.filter((outcome) => outcome === 'taken').length;
      t.true(taken <= (which.includes('first') ? ends.length : 0));
      t.true(outcomes.every((outcome) => outcome === 'taken' || outcome === 'ERR_IOURING_CLOSED'));
      await transport.shutdown();
    }
    await nothingLeft(t, worker, before);
  });
}
