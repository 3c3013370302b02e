// A long stream from a process to another whose sink is slow at times: all of it arrives, and neither process grows with what has passed.
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MIB = 1024 * 1024;
/** Length of the stream. */
const BYTES = Number(process.env['IOURING_TEST_PIPELINE_BYTES'] ?? 1024 * MIB);
/** How far above its median the memory of a process may be, after the first eighth of the stream. */
const TOLERANCE = 32 * MIB;

/** Both ends: `progress(bytes)` keeps the resident memory after the first eighth, once every 256th of the stream. */
const PRELUDE = `
  import net from 'iouring-transport/net';
  import { createHash } from 'node:crypto';
  import { once } from 'node:events';
  import { Readable, Writable } from 'node:stream';
  import { pipeline } from 'node:stream/promises';
  const total = Number(process.argv[1]);
  const hash = createHash('sha1');
  const samples = [];
  let bytes = 0;
  function progress(chunk) {
    const before = Math.floor((bytes * 256) / total);
    bytes += chunk.length;
    hash.update(chunk);
    const now = Math.floor((bytes * 256) / total);
    if (now > before && now >= 32) samples.push(process.memoryUsage.rss());
  }
  const report = () => process.send({ bytes, digest: hash.digest('hex'), samples });`;

const SINK = `${PRELUDE}
  const server = net.createServer(async (socket) => {
    let next = total / 64;
    await pipeline(socket, new Writable({
      write(chunk, _encoding, done) {
        progress(chunk);
        if (bytes < next) return done();
        next += total / 64;
        setTimeout(done, 20);
      },
    }));
    server.close();
    report();
    process.disconnect();
  }).listen(0, '127.0.0.1', () => process.send(server.address().port));`;

const SOURCE = `${PRELUDE}
  const socket = net.connect(Number(process.argv[2]), '127.0.0.1');
  await once(socket, 'connect');
  function* generate() {
    for (let left = total, i = 0; left > 0; i++) {
      const chunk = Buffer.alloc(Math.min(left, 65536), i % 251);
      left -= chunk.length;
      progress(chunk);
      yield chunk;
    }
  }
  socket.resume();
  await pipeline(Readable.from(generate(), { objectMode: false }), socket);
  report();
  process.disconnect();`;

interface Report {
  bytes: number;
  digest: string;
  samples: number[];
}

function start(script: string, ...args: (string | number)[]): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '--eval', script, ...args.map(String)], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

/** What a process tells next; its end before that is an error. */
function told(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code, signal) => reject(new Error(`ended early: ${signal ?? code}`)));
  });
}

test('a long pipeline keeps the memory of both processes level', async (t) => {
  t.timeout(120_000 + BYTES / 10_000);
  const sink = start(SINK, BYTES);
  t.teardown(() => sink.kill('SIGKILL'));
  const port = (await told(sink)) as number;
  const source = start(SOURCE, BYTES, port);
  t.teardown(() => source.kill('SIGKILL'));
  const [sent, received] = (await Promise.all([told(source), told(sink)])) as [Report, Report];

  t.is(sent.bytes, BYTES);
  t.is(received.bytes, BYTES);
  t.is(received.digest, sent.digest);
  for (const [name, { samples }] of Object.entries({ source: sent, sink: received })) {
    const sorted = samples.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1];
    const inMib = [sorted[0], median, sorted[sorted.length - 1]].map((bytes) => (bytes / MIB).toFixed(1));
    t.log(`${name}: resident ${inMib.join(' / ')} MiB (least / median / most of ${samples.length})`);
    t.true(samples.length > 50);
    // What grows with the stream is far above the median at its end. Below it a heap may be that grows to its size once.
    t.true(sorted[sorted.length - 1] <= median + TOLERANCE, `${name}: ${inMib.join(' / ')} MiB`);
  }
});
