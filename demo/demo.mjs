/** What the demo shows, step by step. */
import { createHash, randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { support } from 'iouring-transport';
import { say } from '../scripts/lib.mjs';
import { Peer } from './peer.mjs';
import { comparison } from './comparison.mjs';
import { progressBar } from './progress.mjs';

const MIB = 1024 * 1024;
const FILE_SIZE = 256 * MIB;
const WANTED_CONNECTIONS = 1000;
const SECONDS = 5;

const OURS = 'iouring-transport/net';
const CORE = 'node:net';

const print = (text) => process.stdout.write(`${text}\n`);

/** Runs everything. Rejects where something went wrong. */
export async function demo() {
  const { available, message, kernel } = support();
  say('io_uring');
  if (available) {
    print(`Available (Linux ${kernel ?? os.release()}): ${OURS} runs on io_uring.`);
  } else {
    print(`Not available here: ${message}.`);
    print(`${OURS} therefore falls back to node:net, and everything below still works. Both columns of the table`);
    print('at the end are then the same implementation.');
  }

  const folder = await mkdtemp(path.join(os.tmpdir(), 'iouring-transport-demo-'));
  const peers = [];
  const start = async (script, ...args) => {
    const peer = await Peer.start(script, args);
    peers.push(peer);
    return peer;
  };
  try {
    await passFile(start, folder);
    await compareEcho(start, available);
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes the file; resolves to its SHA-256. */
async function makeFile(file) {
  const bar = progressBar('making the file', FILE_SIZE / MIB, 'MiB');
  const hash = createHash('sha256');
  const to = await open(file, 'wx');
  try {
    const block = Buffer.allocUnsafe(4 * MIB);
    for (let written = 0; written < FILE_SIZE; written += block.length) {
      randomFillSync(block);
      hash.update(block);
      await to.writeFile(block);
      bar.update((written + block.length) / MIB);
    }
  } finally {
    await to.close();
    bar.stop();
  }
  return hash.digest('hex');
}

/** Sends the file to a server that stores it, and fetches it back from there. */
async function passFile(start, folder) {
  say(`A file of ${FILE_SIZE / MIB} MiB through TCP`);
  const original = path.join(folder, 'original');
  const expected = await makeFile(original);
  const server = await start('server.mjs', OURS, path.join(folder, 'stored'));
  const client = await start('client.mjs', OURS);

  const steps = [
    ['sending it', 'send', server.ready.store],
    ['fetching it back', 'fetch', server.ready.fetch],
  ];
  for (const [title, task, port] of steps) {
    const bar = progressBar(title, FILE_SIZE / MIB, 'MiB');
    const began = performance.now();
    const { here, there } = await client.ask({ task, port, file: original }, ({ bytes }) => bar.update(Math.floor(bytes / MIB)));
    const seconds = (performance.now() - began) / 1000;
    bar.update(FILE_SIZE / MIB);
    bar.stop();
    for (const [end, digest] of Object.entries({ client: here, server: there })) {
      if (digest !== expected) throw new Error(`${title}: the SHA-256 at the ${end} is ${digest}, not ${expected}`);
    }
    const rate = (FILE_SIZE / 1e6 / seconds).toFixed(0);
    print(`${title}: ${seconds.toFixed(2)} s, ${rate} MB/s with hashing and files at both ends; SHA-256 agrees at both`);
  }
  print(`SHA-256 ${expected}`);
  await Promise.all([client.stop(), server.stop()]);
}

/** Connections that fit below the limit of open files, which counts for server and client alike. */
function connectionsThatFit() {
  let limit = Infinity;
  try {
    // Node has raised the soft limit to the hard one.
    limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity);
  } catch {
    // Not Linux.
  }
  return Math.min(WANTED_CONNECTIONS, limit - 100);
}

/** The echo on ours, then on core, and the table. */
async function compareEcho(start, available) {
  const connections = connectionsThatFit();
  say(`${connections.toLocaleString('en-US')} concurrent connections`);
  if (connections < WANTED_CONNECTIONS) {
    print(`Not the ${WANTED_CONNECTIONS.toLocaleString('en-US')} planned: the limit of open files (ulimit -n) is in the way.`);
  }
  print('Each sends 64 bytes, waits for them to come back, checks them, and sends the next.');
  const columns = [];
  for (const [name, module] of [
    [available ? 'io_uring' : 'fallback', OURS],
    ['node:net', CORE],
  ]) {
    columns.push({ name, ...(await echo(start, name, module, connections)) });
  }
  say('Side by side');
  print(comparison(columns));
  print('One run, nothing pinned: `npm run bench` measures with care.');
}

/** Lets a client and a server of one module exchange messages, and resolves to what it took. */
async function echo(start, name, module, connections) {
  const server = await start('server.mjs', module);
  const client = await start('client.mjs', module);
  const bar = progressBar(`echo, ${name}`, SECONDS * 10, '× 0.1 s');
  const cpu = [];
  const result = await client.ask(
    { task: 'echo', port: server.ready.echo, connections, size: 64, warmup: 1, seconds: SECONDS },
    async ({ elapsed, mark }) => {
      if (elapsed !== undefined) bar.update(Math.min(SECONDS * 10, Math.round(elapsed * 10)));
      if (mark !== undefined) cpu.push(server.ask({ task: 'cpu' }));
    },
  );
  bar.update(SECONDS * 10);
  bar.stop();
  const [before, after] = await Promise.all(cpu);
  await Promise.all([client.stop(), server.stop()]);
  const serverCpu = (after.micros - before.micros) / result.messages;
  print(`${name}: ${Math.round(result.messages / result.seconds).toLocaleString('en-US')} messages/s, none lost or wrong`);
  return { ...result, serverCpu };
}
