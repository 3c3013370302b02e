// sendFile fills memory again that a stream is done with, and never what somebody still holds.
import { truncateSync, writeFileSync } from 'node:fs';
import coreHttp, { type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import coreNet from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import fs, { sendFile } from 'iouring-transport/fs';
import http from 'iouring-transport/http';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { directory, pattern } from './_helpers.ts';

const PIECE = 256 * 1024;
const GIB = 2 ** 30;

/** Several pieces that differ, and a short one: their bytes tell which one they are of. */
const content = Buffer.concat(Array.from({ length: 6 }, (_, piece) => pattern(piece < 5 ? PIECE : 1000, piece + 1)));

/** Sends the file: how many buffers that took. */
async function send(t: ExecutionContext, stream: Writable): Promise<number> {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, content);
  await using handle = await fs.open(file);
  const buffers = new Set<Buffer>();
  const read = handle.read.bind(handle) as (...args: unknown[]) => Promise<never>;
  Object.defineProperty(handle, 'read', {
    value: (buffer: Buffer, ...rest: unknown[]) => {
      buffers.add(buffer);
      return read(buffer, ...rest);
    },
  });
  t.is(await sendFile(handle, stream), content.length);
  return buffers.size;
}

for (const [name, { connect, createServer }] of Object.entries({ ours: net, cores: coreNet })) {
  test.serial(`a socket is done with what it has written: ${name}`, async (t) => {
    const received: Buffer[] = [];
    const server = createServer((socket) => void socket.on('data', (bytes) => received.push(bytes)));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const socket = connect((server.address() as coreNet.AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    // The last, short piece leaves room: nobody waits for it, and the read that finds the end has memory of its own.
    t.is(await send(t, socket), 2);
    socket.end();
    await once(socket, 'close');
    await once(server.close(), 'close');
    t.true(Buffer.concat(received).equals(content));
  });
}

for (const [name, { createServer }] of Object.entries({ ours: http, cores: coreHttp })) {
  for (const length of [undefined, content.length]) {
    test.serial(`so is a response: ${name}, ${length === undefined ? 'chunked' : 'of known length'}`, async (t) => {
      let used = 0;
      const answer = async (_: IncomingMessage, response: ServerResponse): Promise<void> => {
        if (length !== undefined) response.setHeader('content-length', length);
        used = await send(t, response);
        response.end();
      };
      const server = createServer((request, response) => void answer(request, response));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as coreNet.AddressInfo;
      const [response] = (await once(coreHttp.get({ port, host: '127.0.0.1', agent: false }), 'response')) as [IncomingMessage];
      const body = Buffer.concat((await response.toArray()) as Buffer[]);
      await once(server.close(), 'close');
      t.true(body.equals(content));
      t.is(used, 2);
    });
  }
}

test.serial('a stream that passes chunks on is not', async (t) => {
  const stream = new PassThrough({ highWaterMark: 1024 });
  const held: Buffer[] = [];
  stream.on('data', (bytes: Buffer) => held.push(bytes));
  await send(t, stream);
  t.true(Buffer.concat(held).equals(content));
  stream.destroy();
});

test.serial('a subclass of a socket that keeps its chunks is not', async (t) => {
  const held: Buffer[] = [];
  class Keeping extends coreNet.Socket {
    override _write(chunk: Buffer, _encoding: string, done: () => void): void {
      held.push(chunk);
      setImmediate(done);
    }
  }
  const socket = new Keeping();
  await send(t, socket);
  t.true(Buffer.concat(held).equals(content));
  socket.destroy();
});

test.serial('nor is a response whose write is somebody else’s', async (t) => {
  const held: Buffer[] = [];
  const answer = async (_: IncomingMessage, response: ServerResponse): Promise<void> => {
    const keep = (chunk: Buffer, done?: () => void): boolean => {
      held.push(chunk);
      done?.();
      return true;
    };
    response.write = keep as typeof response.write;
    await send(t, response);
    response.end();
  };
  const server = http.createServer((request, response) => void answer(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as coreNet.AddressInfo;
  const [response] = (await once(coreHttp.get({ port, host: '127.0.0.1', agent: false }), 'response')) as [IncomingMessage];
  await response.resume().toArray();
  await once(server.close(), 'close');
  t.true(Buffer.concat(held).equals(content));
});

test.serial('a peer that goes away, and a signal, end it', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, Buffer.alloc(32 << 20));
  await using handle = await fs.open(file);
  for (const way of ['peer', 'signal'] as const) {
    const server = net.createServer((socket) => void socket.on('error', () => {}));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const arrived = once(server, 'connection') as Promise<[coreNet.Socket]>;
    const socket = net.connect((server.address() as coreNet.AddressInfo).port, '127.0.0.1');
    socket.on('error', () => {});
    const [peer] = await arrived;
    const stop = new AbortController();
    const sending = sendFile(handle, socket, { signal: stop.signal });
    const failing = t.throwsAsync<NodeJS.ErrnoException>(sending);
    // Nobody reads: it comes to stand at a full socket.
    while (!socket.writableNeedDrain) await nextTurn();
    if (way === 'peer') peer.resetAndDestroy();
    else stop.abort();
    const error = await failing;
    if (way === 'peer') t.regex(error.code!, /^(ECONNRESET|EPIPE|ERR_STREAM_DESTROYED)$/);
    else t.is(error.name, 'AbortError');
    socket.destroy();
    peer.destroy();
    await once(server.close(), 'close');
  }
  t.is((await handle.read(Buffer.alloc(4), 0, 4, 0)).bytesRead, 4);
});

test.serial('parts of a file beyond 2 and 4 GiB', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, '');
  truncateSync(file, 5 * GIB);
  await using handle = await fs.open(file, 'r+');
  const marks = [2 * GIB - 1, 2 * GIB, 4 * GIB - 1, 4 * GIB, 4 * GIB + 5, 5 * GIB - 1];
  for (const at of marks) await handle.write('x', at);
  for (const [start, length] of [
    [2 * GIB - 5, 10],
    [4 * GIB - 5, 20],
    [5 * GIB - 1000, 2 ** 31],
    [5 * GIB - 1000, 2 ** 32 + 100],
    [5 * GIB - 1, Infinity],
    [2 ** 53 - 1, Infinity],
  ]) {
    const sink = new PassThrough();
    const received = buffer(sink);
    const sent = await sendFile(handle, sink, { start, length });
    sink.end();
    const bytes = await received;
    t.is(sent, Math.max(0, Math.min(length, 5 * GIB - start)));
    t.is(bytes.length, sent);
    const found = [...bytes.keys()].filter((at) => bytes[at] !== 0).map((at) => start + at);
    t.deepEqual(
      found,
      marks.filter((at) => at >= start && at < start + sent),
    );
  }
});

const HUGE = process.env.IOURING_TRANSPORT_TEST_HUGE === '1';

needs('IOURING_TRANSPORT_TEST_HUGE=1', HUGE)('more than 4 GiB of a file', async (t) => {
  t.timeout(300_000);
  const file = path.join(directory(t), 'file');
  writeFileSync(file, '');
  truncateSync(file, 5 * GIB);
  await using handle = await fs.open(file);
  let received = 0;
  const sink = new Writable({
    write(bytes: Buffer, _encoding, done) {
      received += bytes.length;
      done();
    },
  });
  t.is(await sendFile(handle, sink, { start: 5, length: 2 ** 32 + 100 }), 2 ** 32 + 100);
  t.is(received, 2 ** 32 + 100);
});
