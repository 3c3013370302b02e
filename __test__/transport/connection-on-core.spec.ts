// The same on core, as where io_uring is refused.
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import test from 'ava';
import type { Connection } from 'iouring-transport/transport';

process.env['IOURING_TRANSPORT'] = 'core';
const { declareCases } = await import('./_cases.ts');
const { worker } = await import('iouring-transport/transport');

declareCases();

/** A kernel's timer 2 is that of probes. Core has nobody who would tell. */
const isProbed = (own: number, other: number): boolean => {
  const [local, peer] = [own, other].map((port) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`);
  const lines = readFileSync('/proc/self/net/tcp', 'latin1').split('\n');
  const [, , , , , timer] = lines.map((line) => line.trim().split(/\s+/)).find((row) => row[1] === local && row[2] === peer)!;
  return timer.startsWith('02');
};

test('options of the socket that core has a function for are set, each other is an error that names it', async (t) => {
  const transport = { keepAlive: true, keepAliveIdle: 100, noDelay: true };
  let accept!: (connection: Connection) => void;
  const accepted = new Promise<Connection>((resolve) => (accept = resolve));
  const server = await worker.servers.tcp({ transport: { ...transport, reuseAddress: true } }, accept);
  const { port } = server.address as AddressInfo;
  const client = await worker.clients.tcp({ port, transport });
  await accepted;
  const own = (client.localAddress as AddressInfo).port;
  t.true(isProbed(own, port) && isProbed(port, own));
  client.reset();
  await server.close({ gracefulTimeout: 0 });
  const lacking = { code: 'ENOPROTOOPT', syscall: 'setsockopt', option: 'userTimeout' };
  t.like(await t.throwsAsync(worker.servers.tcp({ transport: { userTimeout: 1 } }, () => {})), lacking);
  t.like(await t.throwsAsync(worker.clients.tcp({ port: 1, transport: { userTimeout: 1 } })), lacking);
  const taken = { ...lacking, option: 'reuseAddress' };
  t.like(await t.throwsAsync(worker.servers.tcp({ transport: { reuseAddress: false } }, () => {})), taken);
  const unix = { ...lacking, option: 'sendBufferSize' };
  t.like(await t.throwsAsync(worker.clients.unix({ path: '/nowhere', transport: { sendBufferSize: 1 } })), unix);
});
