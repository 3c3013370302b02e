// What a sender without end sends is received piece by piece into memory of its own, without a copy: every byte once and in order, however it is read.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type core from 'node:net';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { nothingLeft, pair } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const TOTAL = 16 * 1024 * 1024;

/** Sends bytes that differ from place to place, always more than the kernel takes, and ends. @returns the hash of them */
async function flood(socket: core.Socket, total = TOTAL): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < total; at += 300_000) {
    const bytes = Buffer.alloc(Math.min(300_000, total - at), `${at} `);
    hash.update(bytes);
    if (!socket.write(bytes)) await once(socket, 'drain');
  }
  socket.end();
  return hash.digest('hex');
}

/** Ways to read all of a socket into a hash. */
const READERS: Record<string, (socket: core.Socket, take: (bytes: Buffer) => void) => Promise<void>> = {
  async 'a listener'(socket, take) {
    socket.on('data', take);
    await once(socket, 'end');
  },
  async 'a listener that pauses behind each chunk'(socket, take) {
    socket.on('data', (bytes: Buffer) => {
      take(bytes);
      socket.pause();
      void setImmediate().then(() => socket.resume());
    });
    await once(socket, 'end');
  },
  async 'a listener that stops and goes on at once'(socket, take) {
    socket.on('data', (bytes: Buffer) => {
      take(bytes);
      socket.pause();
      socket.resume();
    });
    await once(socket, 'end');
  },
  async 'an iterator'(socket, take) {
    for await (const bytes of socket) take(bytes as Buffer);
  },
  async 'one chunk after the other by once()'(socket, take) {
    const ended = once(socket, 'end').then(() => undefined);
    for (;;) {
      const chunk = await Promise.race([once(socket, 'data') as Promise<[Buffer]>, ended]);
      if (chunk === undefined) break;
      take(chunk[0]);
    }
  },
};

for (const [name, read] of Object.entries(READERS)) {
  test.serial(`read by ${name}`, async (t) => {
    const { client, peer } = await pair();
    const hash = createHash('sha256');
    let [count, strange] = [0, 0];
    const reading = read(peer, (bytes) => {
      hash.update(bytes);
      if (bytes.byteOffset !== 0 || bytes.buffer.byteLength !== bytes.length) strange++;
      // What was moved away takes nothing from what follows.
      if (count++ % 3 === 0) structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
    });
    const [sent] = await Promise.all([flood(client), reading]);
    t.is(hash.digest('hex'), sent);
    t.is(peer.bytesRead, TOTAL);
    t.is(strange, 0);
  });
}

test.serial('both ways at once, in answer', async (t) => {
  const { client, peer } = await pair({ allowHalfOpen: true });
  peer.pipe(peer);
  const hash = createHash('sha256');
  client.on('data', (bytes: Buffer) => hash.update(bytes));
  const [sent] = await Promise.all([flood(client), once(client, 'end')]);
  t.is(hash.digest('hex'), sent);
});

test.serial('whoever destroys the socket in a listener hears of nothing more', async (t) => {
  const { client, peer } = await pair();
  client.on('error', () => {});
  void flood(client).catch(() => {});
  let [count, after] = [0, 0];
  peer.on('data', () => {
    if (peer.destroyed) after++;
    else if (++count === 20) peer.destroy();
  });
  await once(peer, 'close');
  t.is(count, 20);
  t.is(after, 0);
  client.destroy();
});

test.serial('a sender that breaks off is no end', async (t) => {
  const { client, peer } = await pair();
  let read = 0;
  peer.on('data', (bytes: Buffer) => {
    read += bytes.length;
    if (read > TOTAL / 4) client.resetAndDestroy();
  });
  client.on('error', () => {});
  peer.on('end', () => t.fail('an end'));
  void flood(client).catch(() => {});
  const [error] = (await once(peer, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
});
