// `socket._handle` of a socket that is still connecting: it has no peer, reads nothing, and can be sent away.
import type { ChildProcess } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import coreHttp from 'node:http';
import core from 'node:net';
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import ownDgram from 'iouring-transport/dgram';
import http from 'iouring-transport/http';
import net from 'iouring-transport/net';
import { child, end } from './_receiver.ts';
import { closeOf, errorOf, nothingLeft, portOf, track } from './_sockets.ts';

interface Handle {
  getpeername(result: object): number;
  readStart(): number;
}

const handleOf = (socket: core.Socket) => (socket as unknown as { _handle: Handle })._handle;

test.afterEach.always(nothingLeft);

/** Listens, tells where, and accepts nobody: its thread waits for ever. */
const DEAF = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** A socket to a listener that takes no more connections, so that the system asks again and again. */
async function connecting(t: ExecutionContext, module: typeof core): Promise<core.Socket> {
  const deaf = new Worker(DEAF, { eval: true, execArgv: [] });
  t.teardown(() => deaf.terminate());
  const [port] = (await once(deaf, 'message')) as [number];
  const first = track(core.connect(port, '127.0.0.1')).on('error', () => {});
  await once(first, 'connect');
  const second = track(core.connect(port, '127.0.0.1')).on('error', () => {});
  await once(second, 'connect');
  // It is refused when the thread has gone.
  const socket = track(module.connect(port, '127.0.0.1')).on('error', () => {});
  await new Promise(setImmediate);
  t.true(socket.connecting);
  return socket;
}

for (const [name, module] of Object.entries({ "core's": core, ours: net })) {
  test.serial(`${name}: there is no peer, and nothing to read yet`, async (t) => {
    const socket = await connecting(t, module);
    t.is(handleOf(socket).getpeername({}), -constants.errno.ENOTCONN);
    t.is(handleOf(socket).readStart(), 0);
    t.is(socket.remoteAddress, undefined);
  });

  for (const [server, { createServer }] of Object.entries({ "core's": coreHttp, ours: http })) {
    test.serial(`${name}: given to an HTTP server (${server}) it fails as it does anywhere`, async (t) => {
      const refusing = track(core.createServer().listen(0, '127.0.0.1'));
      await once(refusing, 'listening');
      const port = portOf(refusing);
      refusing.close();
      await once(refusing, 'close');
      const socket = track(module.connect(port, '127.0.0.1'));
      const told = createServer();
      const refused = once(told, 'clientError') as Promise<[NodeJS.ErrnoException]>;
      told.emit('connection', socket);
      const error = await errorOf(socket);
      t.is(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
      const [same] = await refused;
      t.is(same, error);
    });
  }

  test.serial(`${name}: sent to a child before it has a descriptor`, async (t) => {
    const other = await child(t);
    const socket = track(module.connect({ port: 1, host: 'nowhere', lookup: () => {} }));
    const [error] = await sent(other, socket);
    t.is(error?.message, 'write EBADF');
    t.falsy(handleOf(socket));
    await end(other);
  });

  test.serial(`${name}: sent to a child while it connects`, async (t) => {
    const other = await child(t);
    const socket = await connecting(t, module);
    const [failed, closed, taken] = [errorOf(socket), closeOf(socket), once(other, 'message')];
    t.deepEqual(await sent(other, socket, 'leave alone'), [null]);
    await taken;
    t.is((await failed).code, 'ECANCELED');
    await closed;
    await end(other);
  });

  test.serial(`${name}: a server's handle that is closed is sent to nobody`, async (t) => {
    const other = await child(t);
    const server = track(module.createServer().listen(0, '127.0.0.1'));
    await once(server, 'listening');
    const { _handle } = server as unknown as { _handle: core.Server };
    server.close();
    const [error] = await sent(other, _handle);
    t.is(error?.message, 'write EBADF');
    await end(other);
  });
}

for (const [name, module] of Object.entries({ "core's": dgram, ours: ownDgram })) {
  test.serial(`${name}: a datagram socket that is not bound is sent to nobody`, async (t) => {
    const other = await child(t);
    const socket = module.createSocket('udp4');
    const [error] = await sent(other, socket);
    t.is(error?.message, 'write EBADF');
    socket.close();
    await end(other);
  });
}

/** What the callback of `send()` is given. */
function sent(other: ChildProcess, handle: core.Socket | core.Server | dgram.Socket, message = 'hold'): Promise<[Error | null]> {
  return new Promise((resolve) => other.send(message, handle, (...given) => resolve(given)));
}
