/** What the specs of this folder share. */
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import dgram, { type DgramOptions, type Socket } from 'iouring-transport/dgram';
import { stats, support } from 'iouring-transport';
import { needs } from '../_needs.ts';

/** A socket that is bound on loopback and closed with the test. */
export async function bound(t: ExecutionContext, options: DgramOptions = { type: 'udp4' }): Promise<Socket> {
  const socket = open(t, options);
  socket.bind(0, options.type === 'udp6' ? '::1' : '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** A socket that is closed with the test. */
export function open(t: ExecutionContext, options: DgramOptions): Socket {
  const socket = dgram.createSocket(options);
  t.teardown(() => {
    try {
      socket.close();
    } catch {
      // The test has closed it.
    }
  });
  return socket;
}

/** Sends and waits for it. */
export function send(socket: Socket, data: string | Uint8Array, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.send(data, port, '127.0.0.1', (error, bytes) => (error ? reject(error) : resolve(bytes)));
  });
}

/** Whether the additions are there: not over core. */
export const onRing = support().backend === 'uring';

/** A test of what core has not: skipped over core, where there is nothing to test. */
export const ring = needs('io_uring', onRing, test);

/** Waits until something holds, for two seconds. */
export async function until(holds: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 200 && !holds(); attempt++) await new Promise((resolve) => setTimeout(resolve, 10));
  return holds();
}

/** Whether the reactor of this thread holds nothing: no handle, operation, buffer or view. */
export function holdsNothing(): boolean {
  const { turns: _turns, ...held } = stats();
  return Object.values(held).every((count) => count === 0);
}
