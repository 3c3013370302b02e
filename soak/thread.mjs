/** A worker's body: a small soak of its own. */
import process from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { Ledger } from './ledger.mjs';
import { Random } from './random.mjs';
import { datagrams } from './actors/datagrams.mjs';
import { files } from './actors/files.mjs';
import { streams } from './actors/streams.mjs';
import { makeWorld } from './world.mjs';

const { seed, end, delay, folder, shortages } = workerData;
const random = new Random(seed);
const ledger = new Ledger();
ledger.loud = false; // They are sent.
const world = await makeWorld(ledger, { parent: folder, shortages });
parentPort.postMessage({});
if (end === 'exit') setTimeout(() => process.exit(), delay);
if (end === 'throw') {
  setTimeout(() => {
    throw new Error('thrown by the soak');
  }, delay);
}
await Promise.all([streams, datagrams, files].map((actor) => actor(world, random.fork())));
if (end !== 'done') await new Promise(() => setInterval(() => {}, 1000));
world.done();
parentPort.postMessage({ passed: ledger.passed, failures: ledger.failures });
