// Connections and sockets made of each other, and files sent, on whichever backend is chosen: the spec files beside choose one and call this.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import fsp from 'node:fs/promises';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Connection as ConnectionType } from 'iouring-transport/transport';
import { makeCertificates } from '../_certificates.ts';
import { openSockets } from '../_descriptors.ts';
import { readBytes } from './_bytes.ts';
import { nothingLeft } from './_left.ts';

const { Connection, worker } = await import('iouring-transport/transport');
const facade = await import('iouring-transport/net');
const { open } = await import('iouring-transport/fs');

const folder = mkdtempSync(path.join(os.tmpdir(), 'transport-sockets-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let paths = 0;

type Kind = 'tcp' | 'unix';

/** A connection of the transport, and its peer, a socket of the facade. */
async function pair(t: ExecutionContext, kind: Kind, options: object = {}): Promise<[ConnectionType, net.Socket]> {
  const accepted = withResolvers<ConnectionType>();
  const where = path.join(folder, String(++paths));
  const server =
    kind === 'tcp'
      ? await worker.servers.tcp(options, (connection) => accepted.resolve(connection))
      : await worker.servers.unix({ path: where, ...options }, (connection) => accepted.resolve(connection));
  const peer = kind === 'tcp' ? facade.connect((server.address as net.AddressInfo).port, '127.0.0.1') : facade.connect(where);
  const [connection] = await Promise.all([accepted.promise, once(peer, 'connect')]);
  t.teardown(() => {
    peer.destroy();
    return server.close({ gracefulTimeout: 0 });
  });
  return [connection, peer];
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}

/** All that a socket receives until its end. */
async function readAll(socket: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  await once(socket, 'end');
  return Buffer.concat(parts);
}

export function declareSockets(): void {
  for (const kind of ['tcp', 'unix'] as const) {
    test.serial(
      `${kind}: a connection becomes a socket and a connection again, with bytes that come all the while`,
      async (t) => {
        const before = openSockets();
        const [first, peer] = await pair(t, kind, { allowHalfOpen: true });
        const bytes = randomBytes(1024 * 1024);
        void (async () => {
          for (let at = 0; at < bytes.length; at += 3000) {
            peer.write(bytes.subarray(at, at + 3000));
            if (at % 30_000 === 0) await new Promise(setImmediate);
          }
          peer.end();
        })();
        let connection = first;
        const parts: Buffer[] = [];
        let got = 0;
        const take = (part: Buffer): void => {
          parts.push(part);
          got += part.length;
        };
        for (let round = 0; got < bytes.length; round++) {
          for (let reads = round % 3; reads > 0 && got < bytes.length; reads--) take((await connection.read())!.takeBytes());
          const socket = await connection.toSocket();
          t.true(socket instanceof facade.Socket);
          t.is(await connection.closed, null);
          t.false(connection.active);
          for (let reads = round % 4; reads > 0 && got < bytes.length; reads--) {
            const part = socket.read() as Buffer | null;
            if (part !== null) take(part);
            else await Promise.race([once(socket, 'readable'), once(socket, 'end')]);
          }
          connection = await worker.clients.from(socket, { allowHalfOpen: true });
          t.true(socket.destroyed);
        }
        t.true(bytes.equals(Buffer.concat(parts)));
        t.is(await connection.read(), null);
        const answer = readAll(peer);
        await connection.writeSingle(Buffer.from('done'));
        await connection.close();
        t.is((await answer).toString(), 'done');
        peer.destroy();
        await nothingLeft(t, worker, before + 1);
      },
    );

    test.serial(`${kind}: what was written before arrives before what the next one writes`, async (t) => {
      const before = openSockets();
      const [connection, peer] = await pair(t, kind);
      const bytes = randomBytes(4 * 1024 * 1024);
      const all = readAll(peer);
      void connection.writeSingle(bytes);
      const socket = await connection.toSocket();
      socket.write(bytes);
      socket.write('after');
      const next = await Connection.from(socket);
      t.deepEqual([...worker.clients], [next]);
      await next.writeSingle(Buffer.from(' the last'));
      await next.close();
      t.true(Buffer.concat([bytes, bytes, Buffer.from('after the last')]).equals(await all));
      await nothingLeft(t, worker, before + 1);
    });

    test.serial(`${kind}: what came before and the end are there for who gets the connection`, async (t) => {
      const before = openSockets();
      const [connection, peer] = await pair(t, kind, { allowHalfOpen: true });
      peer.end('last words');
      while (!connection.ended) await sleep(5);
      const socket = await connection.toSocket();
      t.is(socket.allowHalfOpen, true);
      // Nobody reads, and the end is known nevertheless.
      await sleep(20);
      const next = await Connection.from(socket, { allowHalfOpen: true });
      const last = await next.toSocket();
      t.is((await readAll(last)).toString(), 'last words');
      last.end();
      await once(last, 'close');
      await nothingLeft(t, worker, before + 1);
    });

    test.serial(`${kind}: the socket behaves as one that has connected`, async (t) => {
      const before = openSockets();
      const [connection, peer] = await pair(t, kind);
      peer.write('hello');
      while (connection.bytesRead < 5) await sleep(5);
      const socket = await connection.toSocket();
      t.false(socket.connecting);
      t.is(socket.readyState, 'open');
      if (kind === 'tcp') t.is(socket.remotePort, (peer.address() as net.AddressInfo).port);
      const [greeting] = (await once(socket, 'data')) as [Buffer];
      t.is(greeting.toString(), 'hello');
      const echoed = readAll(peer);
      socket.end('good bye');
      t.is((await echoed).toString(), 'good bye');
      await once(socket, 'close');
      await nothingLeft(t, worker, before + 1);
    });

    test.serial(`${kind}: a file is sent whole, in part, and as far as it goes`, async (t) => {
      const before = openSockets();
      const name = path.join(folder, 'file');
      const bytes = randomBytes(1_000_000);
      writeFileSync(name, bytes);
      const [connection, peer] = await pair(t, kind);
      const all = readAll(peer);
      t.is(await connection.sendFile(name), bytes.length);
      t.is(await connection.sendFile(pathToFileURL(name), { start: 5, length: 300_000 }), 300_000);
      const handle = await open(name);
      t.is(await connection.sendFile(handle, { start: 999_990, length: 1000 }), 10);
      await handle.close();
      const core = await fsp.open(name);
      t.is(await connection.sendFile(core, { length: 7 }), 7);
      await core.close();
      const file = await worker.files.open(name);
      t.is(await connection.sendFile(file, { start: 2_000_000 }), 0);
      t.is(await connection.sendFile(file, { length: 0 }), 0);
      t.is(await connection.sendFile(file, { start: 1 }), bytes.length - 1);
      await file.close();
      await connection.close();
      const expected = [bytes, bytes.subarray(5, 300_005), bytes.subarray(999_990), bytes.subarray(0, 7), bytes.subarray(1)];
      t.true(Buffer.concat(expected).equals(await all));
      await t.throwsAsync(connection.sendFile(file), { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(connection.sendFile(name), { code: 'ERR_IOURING_CLOSED' });
      await nothingLeft(t, worker, before + 1);
    });

    test.serial(`${kind}: a file for a peer that does not read is given up, and bounded`, async (t) => {
      const before = openSockets();
      const name = path.join(folder, 'large');
      await fsp.writeFile(name, '');
      await fsp.truncate(name, 64 * 1024 * 1024);
      const [connection, peer] = await pair(t, kind);
      const gone = new Promise((resolve) => peer.on('error', () => {}).once('close', resolve));
      const controller = new AbortController();
      const sending = connection.sendFile(name, { signal: controller.signal });
      const failed = t.throwsAsync(sending, { message: 'enough' });
      // Until the kernel takes no more.
      for (let last = -1; connection.bytesWritten === 0 || connection.bytesWritten !== last; await sleep(50)) {
        last = connection.bytesWritten;
      }
      t.true(connection.bytesWritten < 48 * 1024 * 1024);
      // A piece, and what may lie beside it.
      t.true(connection.pendingBytes <= (256 + 64) * 1024, `${connection.pendingBytes} bytes wait`);
      controller.abort(new Error('enough'));
      await failed;
      const again = connection.sendFile(name);
      const closed = t.throwsAsync(again, { code: 'ERR_IOURING_CLOSED' });
      connection.reset();
      await closed;
      peer.resume();
      await gone;
      await nothingLeft(t, worker, before + 1);
    });
  }

  test.serial('what cannot be sent is an error, and nothing is written', async (t) => {
    const [connection, peer] = await pair(t, 'tcp');
    const all = readAll(peer);
    const name = path.join(folder, 'small');
    writeFileSync(name, 'small');
    const send = (source: unknown, options?: unknown): Promise<number> =>
      connection.sendFile(source as string, options as object);
    for (const source of [1, null, {}, undefined, { read: 1 }])
      await t.throwsAsync(send(source), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(send(name, 1), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(send(name, { start: '1' }), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(send(name, { signal: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const options of [{ start: -1 }, { start: 0.5 }, { length: -1 }, { start: 1, length: Number.MAX_SAFE_INTEGER }]) {
      await t.throwsAsync(send(name, options), { code: 'ERR_OUT_OF_RANGE' });
    }
    await t.throwsAsync(send(path.join(folder, 'nowhere')), { code: 'ENOENT' });
    await t.throwsAsync(send(folder), { code: 'EISDIR' });
    await t.throwsAsync(send(name, { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' });
    const file = await worker.files.open(name);
    await file.close();
    await t.throwsAsync(send(file), { code: 'ERR_IOURING_CLOSED' });
    await connection.close();
    t.is((await all).length, 0);
  });

  test.serial('what is no socket that could be given up is refused, and stays as it was', async (t) => {
    const from = (socket: unknown): Promise<ConnectionType> => Connection.from(socket as net.Socket);
    for (const nothing of [1, null, {}, undefined]) await t.throwsAsync(from(nothing), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(from(new facade.Socket()), { code: 'ERR_IOURING_CLOSED' });
    const [connection, peer] = await pair(t, 'tcp');
    await t.throwsAsync(worker.clients.from(peer, { payloadLimit: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    peer.setEncoding('utf8');
    await t.throwsAsync(from(peer), { code: 'ERR_INVALID_STATE' });
    void connection.writeSingle(Buffer.from('still here'));
    t.is((await once(peer, 'data'))[0], 'still here');
    peer.end();
    await t.throwsAsync(from(peer), { code: 'ERR_IOURING_CLOSED' });
    peer.destroy();
    await t.throwsAsync(from(peer), { code: 'ERR_IOURING_CLOSED' });
    // Whoever hears of the end closes.
    t.is(await connection.read(), null);
    await connection.closed;
    await t.throwsAsync(connection.toSocket(), { code: 'ERR_IOURING_CLOSED' });
    t.is([...worker.clients].length, 0);
  });

  test.serial('a TLS socket stands on what it is read from, and keeps it', async (t) => {
    const server = (await import('iouring-transport/tls')).createServer(makeCertificates().server, (socket) =>
      socket.end('secret'),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const below = facade.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    await once(below, 'connect');
    const secured = tls.connect({ socket: below, rejectUnauthorized: false });
    await t.throwsAsync(Connection.from(secured), { code: 'ERR_INVALID_STATE' });
    // Core does not let it be seen.
    if (worker.backend === 'uring') await t.throwsAsync(Connection.from(below), { code: 'ERR_INVALID_STATE' });
    t.is((await readAll(secured)).toString(), 'secret');
    server.close();
  });

  test.serial('a connection of a socket has what that had read, and time-outs of its own', async (t) => {
    const [connection, peer] = await pair(t, 'tcp');
    await connection.writeSingle(Buffer.from('one two'));
    await once(peer, 'readable');
    t.is((peer.read(4) as Buffer).toString(), 'one ');
    const next = await Connection.from(peer, { readTimeout: 20 });
    t.is((await readBytes(next, 3)).toString(), 'two');
    await t.throwsAsync(next.read(), { code: 'ERR_IOURING_TIMEOUT' });
    await next.closed;
    t.is(await connection.read(), null);
    await connection.closed;
  });
}
