// `server._handle`, as libraries look at it.
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type core from 'node:net';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import http from 'iouring-transport/http';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';
import { closeOf, listening, nothingLeft, portOf, textOf, track } from './_sockets.ts';

interface Handle {
  readonly fd: number;
  onconnection: (this: Handle, status: number, client?: object) => void;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
  getsockname(result: object): number;
  getpeername(result: object): number;
  getAsyncId(): number;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
  close(callback?: () => void): void;
}

const handleOf = (server: core.Server) => (server as unknown as { _handle: Handle | null })._handle;

test.afterEach.always(nothingLeft);

for (const [name, make] of Object.entries({
  net: () => net.createServer(),
  http: () => http.createServer(),
  tls: () => tls.createServer(),
})) {
  test.serial(`a server of ${name} has it exactly while it listens`, async (t) => {
    const server = track(make());
    t.falsy(handleOf(server));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const handle = handleOf(server)!;
    t.true(handle.fd > 2);
    t.is(handleOf(server), handle);
    const name = {};
    t.is(handle.getsockname(name), 0);
    t.deepEqual(name, server.address());
    t.is(handle.getpeername({}), -constants.errno.ENOTCONN);
    t.deepEqual([handle.bytesRead, handle.bytesWritten, handle.writeQueueSize], [0, 0, 0]);
    t.true(handle.getAsyncId() > 0);
    t.true(handle.hasRef());
    server.unref();
    t.false(handle.hasRef());
    handle.ref();
    t.true(handle.hasRef());
    server.close();
    t.is(handleOf(server), null);
    t.true(handle.fd < 0);
    t.false(handle.hasRef());
    await once(server, 'close');
  });
}

test.serial('closing it closes the socket, and the server does not know', async (t) => {
  const server = await listening();
  const port = portOf(server);
  await new Promise<void>((resolve) => handleOf(server)!.close(resolve));
  const again = await listening({}, undefined, { port, host: '127.0.0.1' });
  t.is(portOf(again), port);
  server.close();
  await once(server, 'close');
});

test.serial('an onconnection of one’s own takes connections in the place of the server', async (t) => {
  const server = await listening({}, () => t.fail('the server has heard of it'));
  const handle = handleOf(server)!;
  handle.onconnection = function (status, client) {
    t.is(this, handle);
    t.is(status, 0);
    track(new net.Socket({ handle: client } as never)).end('taken');
  };
  t.is(await textOf(track(net.connect(portOf(server), '127.0.0.1'))), 'taken');
});

test.serial('an onconnection that passes on to the one before it', async (t) => {
  const server = await listening({}, (socket) => socket.end('served'));
  const handle = handleOf(server)!;
  const { onconnection } = handle;
  let seen = 0;
  handle.onconnection = function (...args) {
    seen++;
    onconnection.apply(this, args);
  };
  t.is(await textOf(track(net.connect(portOf(server), '127.0.0.1'))), 'served');
  t.is(seen, 1);
});

test.serial('who takes it away from the server keeps the socket listening', async (t) => {
  const server = await listening();
  const handle = handleOf(server)!;
  const port = portOf(server);
  handle.onconnection = (_status, client) => track(new net.Socket({ handle: client } as never)).end('taken');
  (server as unknown as { _handle: null })._handle = null;
  t.false(server.listening);
  t.is(await textOf(track(net.connect(port, '127.0.0.1'))), 'taken');
  handle.close();
});

test.serial('at a path', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'handle-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const where = path.join(folder, 'socket');
  const server = await listening({}, (socket) => socket.end('served'), { path: where });
  t.true(handleOf(server)!.fd > 2);
  t.is(await textOf(track(net.connect(where))), 'served');
  server.close();
  t.false(existsSync(where));
});

test.serial('a socket can be made of another’s handle', async (t) => {
  const server = await listening({}, (socket) => socket.end('hello'));
  const first = track(net.connect(portOf(server), '127.0.0.1'));
  await once(first, 'connect');
  const inside = first as unknown as { _handle: unknown };
  const handle = inside._handle;
  inside._handle = null;
  const second = track(new net.Socket({ handle } as never));
  t.is(await textOf(second), 'hello');
  second.destroy();
  await closeOf(second);
});
