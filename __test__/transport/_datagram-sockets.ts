// What the specs of datagram sockets share: kinds of sockets, and the proof that a test has left nothing behind.
import { randomBytes } from 'node:crypto';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { DatagramClient, DatagramServer } from 'iouring-transport/transport';

const { worker } = await import('iouring-transport/transport');

const SECRET = randomBytes(4).toString('hex');
let paths = 0;

export const freshPath = (): string => path.join(os.tmpdir(), `datagrams-${process.pid}-${SECRET}-${++paths}`);
export const portOf = (server: DatagramServer): number => (server.address as net.AddressInfo).port;
export const pathOf = (server: DatagramServer): string => (server.address as { path: string }).path;

interface Kind {
  readonly name: string;
  serve(options?: object): Promise<DatagramServer>;
  connect(server: DatagramServer, options?: object): Promise<DatagramClient>;
}

const udp = (name: string, host: string): Kind => ({
  name,
  serve: (options) => worker.servers.udp({ host, ...options }),
  connect: (server, options) => worker.clients.udp({ host, port: portOf(server), ...options }),
});

export const kinds: Kind[] = [udp('udp4', '127.0.0.1'), udp('udp6', '::1')];
if (worker.backend === 'uring') {
  kinds.push({
    name: 'unix',
    serve: (options) => worker.servers.unixDatagram({ path: freshPath(), ...options }),
    connect: (server, options) => worker.clients.unixDatagram({ path: pathOf(server), ...options }),
  });
}

/** Loopback loses nothing of what has room; that something is missing must not hang a test. */
export const soon = { timeout: 10_000 };

/** Nothing is left of what a test has made. */
export async function nothingLeft(t: ExecutionContext): Promise<void> {
  // Closing takes turns of the loop.
  for (let i = 0; i < 200 && (worker.stats().buffersLent > 0 || worker.stats().handles > 0); i++) await sleep(5);
  const { handles, operations, buffersLent, arena, views } = worker.stats();
  t.deepEqual(
    { handles, operations, buffersLent, arena, views },
    { handles: 0, operations: 0, buffersLent: 0, arena: 0, views: 0 },
  );
  t.is(worker.buffers.used(), 0);
  t.is([...worker.clients].length + [...worker.servers].length, 0);
}
