// What must not go wrong when things go wrong, on whichever backend is chosen: nothing hangs, and nothing is left open.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Connection, Payload } from 'iouring-transport/transport';
import { openDescriptors } from '../_descriptors.ts';
import { readBytes } from './_bytes.ts';

const { ClientPool, worker } = await import('iouring-transport/transport');

const portOf = ({ address }: { readonly address: unknown }): number => (address as net.AddressInfo).port;

/** Descriptors and buffers are as before: closing takes turns of the loop. */
async function nothingLeft(t: ExecutionContext, before: number): Promise<void> {
  const isLeft = (): boolean => openDescriptors() > before || worker.buffers.used() > 0 || [...worker.clients].length > 0;
  for (let i = 0; i < 1000 && isLeft(); i++) await sleep(5);
  t.true(openDescriptors() <= before, `${openDescriptors()} descriptors, ${before} before`);
  t.is(worker.buffers.used(), 0);
  t.is([...worker.clients].length, 0);
}

const echo = (connection: Connection): void => {
  void connection.stream((payload) => {
    void connection.writeSingle(payload);
    payload.release();
  });
};

/** Throws in one listener of each kind; the others, and the same ones the next time, go on. Says what was uncaught, and what came. */
const THROWS = `
  import { worker } from 'iouring-transport/transport';
  const uncaught = [];
  process.on('uncaughtException', ({ message }) => uncaught.push(message));
  let accepted = 0;
  const server = await worker.servers.tcp({}, (connection) => {
    let received = 0;
    connection.stream((payload) => {
      if (received++ === 0) throw new Error('stream');
      connection.writeSingle(payload);
      payload.release();
    });
    if (accepted++ === 0) throw new Error('connection');
  });
  const answers = [];
  for (let i = 0; i < 2; i++) {
    const client = await worker.clients.tcp({ port: server.address.port });
    await client.writeSingle(Buffer.from('lost'));
    while (uncaught.filter((message) => message === 'stream').length <= i) await new Promise(setImmediate);
    await client.writeSingle(Buffer.from('kept'));
    answers.push((await client.read()).takeBytes().toString());
    client.reset();
  }
  const datagrams = await worker.servers.udp({});
  let received = 0;
  datagrams.stream((datagram) => {
    if (received++ === 0) throw new Error('datagram');
    datagram.respondSingle(datagram.payload);
    datagram.payload.release();
  });
  const client = await worker.clients.udp({ port: datagrams.address.port });
  await client.sendSingle(Buffer.from('lost'));
  while (!uncaught.includes('datagram')) await new Promise(setImmediate);
  await client.sendSingle(Buffer.from('kept'));
  const { payload } = await client.receive();
  answers.push(payload.takeBytes().toString());
  await worker.shutdown({ gracefulTimeout: 0 });
  console.log(JSON.stringify({ uncaught: uncaught.sort(), answers, open: [...worker.clients].length }));
`;

export function declareBadDays(): void {
  // The ring's own descriptors are there from the first socket on.
  test.before(async () => {
    const server = await worker.servers.tcp({}, () => {});
    await server.close();
  });

  for (const kind of ['tcp', 'unix'] as const) {
    test.serial(`${kind}: a reset ends a connection that is being closed, also while its peer reads nothing`, async (t) => {
      const before = openDescriptors();
      const where = { path: `\0bad-days-${process.pid}` };
      const server = kind === 'tcp' ? await worker.servers.tcp({}, () => {}) : await worker.servers.unix(where, () => {});
      for (const unread of [0, 8 * 1024 * 1024]) {
        const client = kind === 'tcp' ? await worker.clients.tcp({ port: portOf(server) }) : await worker.clients.unix(where);
        const written = client.writeSingle(Buffer.alloc(unread));
        const closing = client.close({ gracefulTimeout: 600_000 });
        client.reset();
        await Promise.all([closing, client.closed, written.catch(() => {})]);
        t.is(client.fd < 0, true);
      }
      await server.close({ gracefulTimeout: 0 });
      await nothingLeft(t, before);
    });
  }

  test.serial('what listeners throw is uncaught, and nothing else is the worse for it', async (t) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', THROWS]);
    t.deepEqual(JSON.parse(stdout), {
      uncaught: ['connection', 'datagram', 'stream', 'stream'],
      answers: ['kept', 'kept', 'kept'],
      open: 0,
    });
  });

  test.serial('payloads that are held hold up their own connection and no other', async (t) => {
    const before = openDescriptors();
    const server = await worker.servers.tcp({}, (connection) => {
      if (held.size < 80) held.set(connection, []);
      const payloads = held.get(connection);
      if (payloads === undefined || holders.length === 80) echo(connection);
      else void connection.stream((payload) => payloads.push(payload));
    });
    const held = new Map<Connection, Payload[]>();
    const holders: Connection[] = [];
    const sum = (): number => [...held.values()].flat().reduce((bytes, { length }) => bytes + length, 0);
    // More than all of the ring's buffers have room for.
    for (let i = 0; i < 80; i++) {
      const client = await worker.clients.tcp({ port: portOf(server) });
      holders.push(client);
      void client.writeSingle(Buffer.alloc(128 * 1024, i));
    }
    const other = await worker.clients.tcp({ port: portOf(server) });
    for (let i = 0; i < 20; i++) {
      await other.writeSingle(Buffer.alloc(1000, i));
      t.deepEqual(await readBytes(other, 1000), Buffer.alloc(1000, i));
    }
    while (sum() < 80 * 128 * 1024) await sleep(5);
    if (worker.backend === 'uring') t.true(worker.buffers.available() > 0);
    for (const payloads of held.values()) for (const payload of payloads) payload.release();
    for (const client of [...holders, other]) client.reset();
    await server.close({ gracefulTimeout: 0 });
    await nothingLeft(t, before);
  });

  test.serial('who waits for its writes holds one, however long the peer does not read', async (t) => {
    const before = openDescriptors();
    const server = await worker.servers.tcp({ payloadLimit: 1 }, () => {});
    const client = await worker.clients.tcp({ port: portOf(server) });
    const piece = Buffer.alloc(256 * 1024);
    const writing = (async () => {
      for (;;) await client.writeSingle(piece);
    })();
    // Until the kernel takes no more.
    for (let last = -1; client.bytesWritten !== last; await sleep(50)) last = client.bytesWritten;
    t.true(client.pendingBytes <= piece.length + 64 * 1024, `${client.pendingBytes} bytes wait`);
    client.reset();
    await t.throwsAsync(writing, { code: 'ERR_IOURING_CLOSED' });
    await server.close({ gracefulTimeout: 0 });
    await nothingLeft(t, before);
  });

  test.serial('a pool tries ever more rarely while its peer is down, and is whole again when that is back', async (t) => {
    const before = openDescriptors();
    let isDown = true;
    let attempts = 0;
    const server = await worker.servers.tcp({}, echo);
    const connect = (signal: AbortSignal): Promise<Connection> => {
      attempts++;
      if (isDown) return Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' }));
      return worker.clients.tcp({ port: portOf(server), signal });
    };
    const begun = performance.now();
    const pool = new ClientPool(connect, { size: 4, minBackoff: 1, maxBackoff: 100 });
    await sleep(300);
    // Each pause is at least half of what it may be: 1, 2, 4, … up to 100 ms.
    const most = 4 * (1 + 7 + (performance.now() - begun) / 50);
    t.true(attempts <= most, `${attempts} attempts`);
    t.is(t.throws(() => pool.select(), { code: 'ERR_IOURING_NO_CONNECTION' }).cause instanceof Error, true);
    const ready = pool.ready();
    isDown = false;
    await ready;
    while (pool.count < 4) await sleep(5);
    await pool.close({ gracefulTimeout: 0 });
    await server.close({ gracefulTimeout: 0 });
    await nothingLeft(t, before);
  });

  test.serial('a pool of many connections warns of nothing', async (t) => {
    const before = openDescriptors();
    const warnings: Error[] = [];
    const listener = (warning: Error) => void warnings.push(warning);
    process.on('warning', listener);
    const server = await worker.servers.tcp({}, echo);
    const pool = new ClientPool((signal) => worker.clients.tcp({ port: portOf(server), signal }), { size: 32 });
    while (pool.count < 32) await sleep(5);
    process.off('warning', listener);
    t.deepEqual(warnings, []);
    await pool.close({ gracefulTimeout: 0 });
    await server.close({ gracefulTimeout: 0 });
    await nothingLeft(t, before);
  });

  test.serial('a peer that breaks off in the middle of everything leaves nothing behind', async (t) => {
    const before = openDescriptors();
    const server = await worker.servers.tcp({}, echo);
    const sockets = Array.from({ length: 32 }, () => net.connect(portOf(server), '127.0.0.1').on('error', () => {}));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    for (const socket of sockets) socket.write(Buffer.alloc(1024 * 1024));
    await Promise.all(sockets.map((socket) => once(socket, 'data')));
    for (const socket of sockets) socket.resetAndDestroy();
    for (const socket of sockets) if (!socket.closed) await once(socket, 'close');
    while (server.connections.size > 0) await sleep(5);
    await server.close();
    await nothingLeft(t, before);
  });
}
