// A peer that writes and goes at once, by each way to go, and what the other side makes of it: nothing may look complete that is not.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import core from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import ours from 'iouring-transport/net';
import { nothingLeft } from './_sockets.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'iouring-broken-down-'));

test.afterEach.always(nothingLeft);
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

type Net = typeof core;

const SIZES = [1, 1000, 65_535, 65_536, 65_537, 131_072, 300_000, 1_000_000, 4_000_000];

/** What a client does behind its write. */
const WAYS_TO_GO: Record<string, (client: core.Socket) => unknown> = {
  'end()': (client) => client.resume().end(),
  'destroy()': (client) => client.destroy(),
  'resetAndDestroy()': (client) => client.resetAndDestroy(),
};

/** What a server does with a connection. */
const SERVERS: Record<string, (socket: core.Socket) => unknown> = {
  reads: (socket) => socket.resume(),
  'reads later': (socket) => setTimeout(() => socket.resume(), 5),
  'answers the first chunk': (socket) => socket.once('data', () => socket.write('answer')),
  echoes: (socket) => socket.on('data', (bytes) => socket.write(bytes)),
  'ends at the first chunk': (socket) => socket.once('data', () => socket.end('answer')),
};

interface Outcome {
  failed: boolean;
  complete: boolean;
}

let paths = 0;

async function play(
  net: Net,
  unix: boolean,
  serve: (socket: core.Socket) => unknown,
  act: (client: core.Socket) => unknown,
  size: number,
): Promise<Outcome> {
  const server = net.createServer();
  server.listen(unix ? { path: path.join(folder, String(paths++)) } : { port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const address = server.address() as core.AddressInfo | string;
  const client = net.connect(typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' });
  client.on('error', () => {});
  const outcome = new Promise<Outcome>((resolve) => {
    server.once('connection', (socket: core.Socket) => {
      socket.on('error', () => {}).on('close', (failed) => resolve({ failed, complete: socket.bytesRead === size }));
      serve(socket);
    });
  });
  await once(client, 'connect');
  client.write(Buffer.alloc(size));
  act(client);
  const result = await outcome;
  client.destroy();
  server.close();
  await once(server, 'close');
  return result;
}

for (const unix of [false, true]) {
  for (const [way, act] of Object.entries(WAYS_TO_GO)) {
    // A UNIX socket cannot be reset.
    if (unix && way === 'resetAndDestroy()') continue;
    for (const [what, serve] of Object.entries(SERVERS)) {
      test.serial(`${unix ? 'UNIX' : 'TCP'}: write() and ${way}, to a server that ${what}`, async (t) => {
        for (const size of SIZES) {
          const expected = await play(core, unix, serve, act, size);
          const result = await play(ours, unix, serve, act, size);
          const both = `${size} bytes, core: ${JSON.stringify(expected)}, here: ${JSON.stringify(result)}`;
          // A reset behind bytes is an end with core before Node 24, and an error since.
          if (way === 'resetAndDestroy()') t.true(result.failed, both);
          else if (!expected.failed) t.false(result.failed, both);
          // What was read in one go is answered in one go, which the kernel may take where it refuses the second answer to the second chunk.
          else t.true(result.failed || result.complete, both);
          if (expected.complete) t.true(result.complete || result.failed, both);
        }
      });
    }
  }
}

for (const [name, net] of Object.entries({ core, ours })) {
  for (const readable of [false, true]) {
    test(`${name}: who reads slowly has all that came before a reset, and then the error${readable ? ", by 'readable'" : ''}`, async (t) => {
      const server = net.createServer({ highWaterMark: 1024 } as core.ServerOpts).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const client = net.connect((server.address() as core.AddressInfo).port, '127.0.0.1');
      const [socket] = (await once(server, 'connection')) as [core.Socket];
      const failure = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
      if (readable) socket.on('readable', () => {});
      else socket.on('data', () => {}).pause();
      client.write(Buffer.alloc(20_000));
      while (socket.readableLength < 20_000) await sleep(1);
      client.resetAndDestroy();
      await once(client, 'close');
      await sleep(20);
      t.false(socket.destroyed);

      let heard = 0;
      if (readable) heard = (socket.read() as Buffer).length;
      else socket.on('data', (bytes) => (heard += bytes.length)).resume();
      t.is((await failure).code, 'ECONNRESET');
      t.is(heard, 20_000);
      server.close();
      await once(server, 'close');
    });
  }
}
