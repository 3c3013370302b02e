import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ExecutionContext } from 'ava';
import type { Message, Socket } from 'iouring-transport/dgram';
import { open, ring } from './_tools.ts';

/** A UNIX socket, whose methods take a path. */
type Unix = Omit<Socket, 'bind' | 'send' | 'connect'> & {
  bind(path: string): void;
  connect(path: string, callback?: (error?: Error) => void): void;
  send(data: string | Uint8Array, path: string, callback?: (error: NodeJS.ErrnoException | null) => void): void;
  send(data: string | Uint8Array, callback?: (error: NodeJS.ErrnoException | null) => void): void;
};

async function unix(t: ExecutionContext, name?: string, options = {}): Promise<Unix> {
  const socket = open(t, { type: 'unix_dgram', ...options }) as unknown as Unix;
  if (name !== undefined) {
    socket.bind(name);
    await once(socket as unknown as Socket, 'listening');
  }
  return socket;
}

/** Binds a socket in a thread that waits then, and so reads nothing. */
async function nobodyReads(t: ExecutionContext, name: string): Promise<void> {
  const script = `const { parentPort, workerData } = require('node:worker_threads');
    require('iouring-transport/dgram').createSocket('unix_dgram').bind(workerData, () => {
      parentPort.postMessage('bound');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const worker = new Worker(script, { eval: true, workerData: name });
  t.teardown(() => worker.terminate());
  await once(worker, 'message');
}

ring('by path: sent, answered, and the path removed with the socket', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'iouring-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [one, other] = [path.join(folder, 'one'), path.join(folder, 'other')];
  const server = await unix(t, one);
  const client = await unix(t, other);
  client.send('hello', one);
  const [message, rinfo] = (await once(server as unknown as Socket, 'message')) as [Buffer, Message['rinfo']];
  t.is(message.toString(), 'hello');
  t.deepEqual(rinfo, { address: other, family: 'unix', port: 0, size: 5 } as never);
  const closed = once(client as unknown as Socket, 'close');
  client.close();
  await closed;
  t.false(existsSync(other));
  t.true(existsSync(one));
});

ring('abstract names, and the credentials of the sender', async (t) => {
  const name = `\0iouring-credentials-${process.pid}`;
  const server = await unix(t, name, { credentials: true });
  const client = await unix(t);
  client.send('who am I?', name);
  const [, rinfo] = (await once(server as unknown as Socket, 'message')) as [Buffer, Message['rinfo']];
  t.deepEqual(rinfo.ancillary?.credentials, { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });
});

ring('a full queue: EAGAIN for who names the peer', async (t) => {
  const name = `\0iouring-full-${process.pid}`;
  await nobodyReads(t, name);
  const client = await unix(t);
  const codes = await Promise.all(
    Array.from({ length: 2000 }, () => new Promise((resolve) => client.send('x', name, (error) => resolve(error?.code)))),
  );
  t.true(codes.includes('EAGAIN'));
  t.is(codes[0], undefined);
});

ring('nobody there: ECONNREFUSED or ENOENT', async (t) => {
  const client = await unix(t);
  const code = (to: string) => new Promise((resolve) => client.send('x', to, (error) => resolve(error?.code)));
  t.is(await code('/no/such/socket'), 'ENOENT');
  t.is(await code('\0iouring nobody'), 'ECONNREFUSED');
});
