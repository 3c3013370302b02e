// Time-outs and signals, on whichever backend is chosen.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { Connection } from 'iouring-transport/transport';

const { worker } = await import('iouring-transport/transport');
const { TransportTimeoutError } = await import('iouring-transport');

const portOf = (server: { address: unknown }): number => (server.address as net.AddressInfo).port;

/** A server whose connections do nothing, and a client of it. */
async function silent(options: object) {
  const peers: Connection[] = [];
  const server = await worker.servers.tcp({}, (connection) => peers.push(connection));
  const client = await worker.clients.tcp({ port: portOf(server), ...options });
  return { server, client, peers };
}

export function declareTimeouts(): void {
  test('a read that gets nothing in time ends the connection, and says which time-out it was', async (t) => {
    const { server, client } = await silent({ readTimeout: 30 });
    // While nobody reads, nothing is waited for.
    await sleep(100);
    t.true(client.active);
    const error = await t.throwsAsync(client.read(), { instanceOf: TransportTimeoutError, code: 'ERR_IOURING_TIMEOUT' });
    t.like(error, { kind: 'read', timeout: 30 });
    t.is(await client.closed, error as never);
    await server.close({ gracefulTimeout: 0 });
  });

  test('a peer that never reads ends the connection by the write time-out, with bounded memory', async (t) => {
    const { server, client } = await silent({ writeTimeout: 100 });
    const written = (async () => {
      for (;;) await client.writeSingle(Buffer.alloc(256 * 1024));
    })();
    const error = await t.throwsAsync(written, { code: 'ERR_IOURING_TIMEOUT' });
    t.like(error, { kind: 'write', timeout: 100 });
    await client.closed;
    await server.close({ gracefulTimeout: 0 });
  });

  test('a peer that never reads ends it too where each write was over at once', async (t) => {
    const { server, client } = await silent({ writeTimeout: 100 });
    const block = Buffer.alloc(1024);
    while (client.active) {
      for (let i = 0; i < 32; i++) void client.writeSingle(block);
      await sleep(0);
    }
    t.is(((await client.closed) as NodeJS.ErrnoException).code, 'ERR_IOURING_TIMEOUT');
    await server.close({ gracefulTimeout: 0 });
  });

  test('a connection on which nothing happens ends by the idle time-out', async (t) => {
    const { server, client } = await silent({ idleTimeout: 50 });
    t.like(await client.closed, { code: 'ERR_IOURING_TIMEOUT', kind: 'idle', timeout: 50 });
    await server.close({ gracefulTimeout: 0 });
  });

  test('a connect that gets no answer ends by its time-out, or by a signal', async (t) => {
    // Its queue is full when it has stopped, and answers nobody.
    const program = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
      require('fs').writeSync(1, String(this.address().port));
      process.kill(process.pid, 'SIGSTOP');
    })`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    const port = Number(text.toString());
    const waiting = Array.from({ length: 8 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    await sleep(100);
    const error = await t.throwsAsync(worker.clients.tcp({ port, connectTimeout: 50 }));
    t.like(error, { code: 'ERR_IOURING_TIMEOUT', kind: 'connect', timeout: 50 });
    const controller = new AbortController();
    const connecting = worker.clients.tcp({ port, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await t.throwsAsync(connecting, { message: 'enough' });
    for (const socket of waiting) socket.destroy();
    child.kill('SIGKILL');
  });

  test('a read that is given up loses nothing', async (t) => {
    const { server, client, peers } = await silent({});
    const controller = new AbortController();
    const reading = client.read({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await t.throwsAsync(reading, { message: 'enough' });
    await t.throwsAsync(client.read({ signal: controller.signal }), { message: 'enough' });
    while (peers.length === 0) await sleep(5);
    await peers[0].writeSingle(Buffer.from('there'));
    t.is((await client.read({ signal: new AbortController().signal }))!.takeBytes().toString(), 'there');
    await client.close({ gracefulTimeout: 0 });
    await server.close({ gracefulTimeout: 0 });
  });

  test('wrong time-outs have core’s codes', async (t) => {
    await t.throwsAsync(worker.clients.tcp({ port: 1, readTimeout: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(worker.clients.tcp({ port: 1, writeTimeout: NaN }), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(worker.clients.tcp({ port: 1, idleTimeout: '1' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(worker.clients.tcp({ port: 1, connectTimeout: null as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
}
