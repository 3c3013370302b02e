// The same on core, as where io_uring is refused.
import dgram from 'node:dgram';
import { once } from 'node:events';
import type net from 'node:net';
import process from 'node:process';
import test from 'ava';

process.env['IOURING_TRANSPORT'] = 'core';
const { worker } = await import('iouring-transport/transport');
const { declareDatagrams } = await import('./_datagrams.ts');

declareDatagrams();

type Send = typeof dgram.Socket.prototype.send;

/** Has core tell of the datagrams that are sent meanwhile as `report` does. */
async function reporting(
  report: (socket: dgram.Socket, done: (error: Error | null, sent: number) => void) => void,
  work: () => Promise<void>,
): Promise<void> {
  const { send } = dgram.Socket.prototype;
  dgram.Socket.prototype.send = function (this: dgram.Socket, ...args: unknown[]) {
    report(this, args.at(-1) as never);
  } as Send;
  try {
    await work();
  } finally {
    dgram.Socket.prototype.send = send;
  }
}

test.serial('what core tells of when the socket is closed is told of once', async (t) => {
  const server = await worker.servers.udp();
  const client = await worker.clients.udp({ port: (server.address as net.AddressInfo).port });
  const cancelled = Object.assign(new Error('late'), { errno: -125, code: 'ECANCELED' });
  let late = Promise.resolve();
  await reporting(
    (socket, done) => {
      late = once(socket, 'close').then(() => done(cancelled, 0));
    },
    async () => {
      const failed: unknown[] = [];
      const onError = (error: Error, index: number): void => void failed.push((error as NodeJS.ErrnoException).code, index);
      const sent = client.sendMany([Buffer.from('1'), Buffer.from('2')], { onError });
      await client.close({ gracefulTimeout: 0 });
      await t.throwsAsync(sent, { code: 'ERR_IOURING_CLOSED' });
      await late;
      t.deepEqual(failed, ['ERR_IOURING_CLOSED', 0, 'ERR_IOURING_CLOSED', 1]);
      t.is(client.pending, 0);
    },
  );
  await server.close();
});

const errors: readonly (readonly [object, string])[] = [
  [{ errno: -90, code: 'EMSGSIZE' }, 'EMSGSIZE'],
  // Core's own making: without a number.
  [{ code: 'EPIPE' }, 'EPIPE'],
  [{ code: 'ERR_SOCKET_BAD_PORT' }, 'EINVAL'],
  [{ code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' }, 'ENOTCONN'],
  [{ code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' }, 'ERR_IOURING_CLOSED'],
  [{ code: 'ERR_WITHOUT_PRECEDENT' }, 'EIO'],
  [{}, 'EIO'],
];
for (const [error, code] of errors) {
  test.serial(`an error of core's is told as one of the system: ${JSON.stringify(error)}`, async (t) => {
    const server = await worker.servers.udp();
    const client = await worker.clients.udp({ port: (server.address as net.AddressInfo).port });
    await reporting(
      (_, done) => process.nextTick(done, Object.assign(new Error('core'), error), 0),
      async () => {
        await t.throwsAsync(client.sendSingle(Buffer.from('x')), { code });
      },
    );
    await client.close();
    await server.close();
  });
}
