// A buffer filled anew right after write(): what the kernel has room for has been taken or copied by then, as with core, which sends within write().
import { once } from 'node:events';
import type core from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import http from 'iouring-transport/http';
import net from 'iouring-transport/net';
import test from 'ava';
import { listening, nothingLeft, pair, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

/** Connects over a UNIX socket: the end that writes, and the one that reads. */
async function unixPair(name: string): Promise<[core.Socket, core.Socket]> {
  const path = join(tmpdir(), `iouring-scratch-${process.pid}-${name}`);
  const server = await listening({}, undefined, { path });
  const client = track(net.connect(path));
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[core.Socket], unknown];
  return [client, peer];
}

async function tcpPair(): Promise<[core.Socket, core.Socket]> {
  const { client, peer } = await pair();
  return [client, peer];
}

async function read(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const writes: Record<string, (socket: core.Socket, bytes: Buffer) => void> = {
  write: (socket, bytes) => {
    socket.write(bytes);
  },
  'write behind another': (socket, bytes) => {
    socket.write(bytes.subarray(0, 10));
    socket.write(bytes.subarray(10));
  },
  'cork and uncork': (socket, bytes) => {
    const half = bytes.length >> 1;
    socket.cork();
    socket.write(bytes.subarray(0, half));
    socket.write(bytes.subarray(half));
    socket.uncork();
  },
  'cork and uncork, small and large': (socket, bytes) => {
    socket.cork();
    socket.write(bytes.subarray(0, 100));
    socket.write(bytes.subarray(100));
    socket.uncork();
  },
};

// A UNIX socket's queue has room for some 200 KiB, less what the kernel needs for itself: beyond that a write waits with core too.
const kinds = [
  { kind: 'TCP', connect: tcpPair, sizes: [10_000, 16_384, 65_536, 65_537, 200_000] },
  { kind: 'UNIX', connect: unixPair, sizes: [10_000, 16_384, 65_536, 65_537] },
];

for (const { kind, connect, sizes } of kinds) {
  for (const size of sizes) {
    for (const [name, write] of Object.entries(writes)) {
      test.serial(`${kind}: ${name}, ${size} B`, async (t) => {
        const [client, peer] = await connect(`${size}-${name.length}`);
        const arrived = read(peer);
        const scratch = Buffer.alloc(size, 1);
        write(client, scratch);
        scratch.fill(2);
        client.end();
        const bytes = await arrived;
        t.is(bytes.length, size);
        t.true(bytes.every((byte) => byte === 1));
      });
    }
  }
}

for (const size of [10_000, 16_384, 65_536, 200_000]) {
  test.serial(`an HTTP response's body, ${size} B`, async (t) => {
    const scratch = Buffer.alloc(size);
    const server = http.createServer((_request, response) => {
      scratch.fill(1);
      response.writeHead(200, { 'content-length': size });
      response.write(scratch);
      // As core: with the head a body is corked until the next tick.
      process.nextTick(() => {
        scratch.fill(2);
        response.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const request = http.get({ port: portOf(server), host: '127.0.0.1', agent: false });
    const [response] = (await once(request, 'response')) as [AsyncIterable<unknown>];
    const bytes = await read(response);
    t.is(bytes.length, size);
    t.true(bytes.every((byte) => byte === 1));
    server.close();
    await once(server, 'close');
  });
}
