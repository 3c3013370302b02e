/**
 * `npm run soak -- --minutes N --seed S`: hostile load for a long time, with every byte accounted for. See soak/README.md.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { datagrams } from './actors/datagrams.mjs';
import { files } from './actors/files.mjs';
import { peers } from './actors/peers.mjs';
import { littleMemory, noDescriptors } from './actors/shortages.mjs';
import { streams } from './actors/streams.mjs';
import { threads } from './actors/threads.mjs';
import { Checkpoints } from './checkpoint.mjs';
import { Ledger } from './ledger.mjs';
import { TIGHT_MALLOC } from './memory.mjs';
import { within } from './patience.mjs';
import { Random } from './random.mjs';
import { makeWorld } from './world.mjs';

/** Actors, each as often as it is to be drawn. */
const ACTORS = [
  streams,
  streams,
  streams,
  datagrams,
  datagrams,
  files,
  files,
  threads,
  peers,
  peers,
  noDescriptors,
  littleMemory,
];
const SMALL = [streams, datagrams, files, threads];

/** Descriptors that the process may have: few enough for all of them to be taken. */
const DESCRIPTORS = 2048;

/** A round takes a few seconds; one that takes so long, in seconds, hangs. A small one is part of another. */
const LIMIT = 400;
const SMALL_LIMIT = 90;

const text = { type: 'string' };
const flag = { type: 'boolean' };
const { values: options } = parseArgs({
  options: { minutes: { ...text, default: '5' }, seed: text, round: text, rounds: text, only: text, small: flag, loose: flag },
});
const seed = Number(options.seed ?? Date.now() % 1_000_000);

if (!options.small && process.env.SOAK_LIMITED === undefined) {
  // The same again, with the limit, a collector that can be called, and a heap that keeps little of what is free.
  const env = { IOURING_TRANSPORT: 'uring', ...(options.loose ? {} : TIGHT_MALLOC), ...process.env, SOAK_LIMITED: '1' };
  const again = [`--nofile=${DESCRIPTORS}`, process.execPath, '--expose-gc', ...process.argv.slice(1), '--seed', String(seed)];
  process.exit(spawnSync('prlimit', again, { stdio: 'inherit', env }).status ?? 1);
}

const ledger = new Ledger();
const world = await makeWorld(ledger, { gentle: options.small });
process.on('uncaughtException', (error) => ledger.check(false, 'nothing is thrown that nobody catches', error));

const say = (line) => options.small || process.stdout.write(`${line}\n`);
const checkpoints = new Checkpoints(() => world.main.stats(), say);
say(
  `soak: seed ${seed}, ${options.round ? `round ${options.round}` : `${options.minutes} minutes`}, Node ${process.version}, ${world.main.support().backend}`,
);

/** One of each first, so that what is opened once for the life of a process is open. */
async function warmUp() {
  const random = new Random(1);
  ledger.place = 'warming up';
  // libuv keeps a descriptor in reserve from the first stream of its own on.
  await once(spawn('true', { stdio: ['ignore', 'pipe', 'ignore'] }), 'close');
  await Promise.all([streams, datagrams, files].map((actor) => actor(world, random.fork())));
  await sleep(200);
  checkpoints.begin();
}

async function playRound(number) {
  const random = new Random(seed * 10_007 + number);
  const choice = (options.small ? SMALL : ACTORS).filter(
    ({ name }) => options.only === undefined || options.only.split(',').includes(name),
  );
  const cast = options.small ? choice : Array.from({ length: random.from(2, 7) }, () => random.pick(choice));
  ledger.place = `seed ${seed} round ${number} (${cast.map(({ name }) => name).join(', ')})`;
  const waiting = new Set();
  const acting = cast.map(async (actor, index) => {
    const role = `${actor.name} ${index}`;
    waiting.add(role);
    await actor(world, random.fork()).catch((error) => ledger.check(false, `${role} comes to its end`, error));
    waiting.delete(role);
  });
  const ended = await within(options.small ? SMALL_LIMIT : LIMIT, Promise.all(acting));
  if (ended === undefined) ledger.check(false, 'a round ends', 'without', [...waiting], world.main.stats());
  else await checkpoints.pass(ledger);
  return ended !== undefined;
}

function report() {
  checkpoints.finish(ledger, { loose: options.loose });
  for (const [name, sum] of Object.entries(ledger.sums)) say(`${name}: ${sum.toLocaleString('en')}`);
  world.done();
  if (ledger.failures.length > 0) {
    const script = path.relative(process.cwd(), process.argv[1]);
    process.stdout.write(`again: node ${script} --seed ${seed} --round N with the number of a round that failed\n`);
  }
  process.stdout.write(`${ledger.passed} passed, ${ledger.failures.length} failed\n`);
  process.exit(ledger.failures.length > 0 ? 1 : 0);
}

// The round is played to its end; a second one ends it all.
let interrupted = false;
process.once('SIGINT', () => (interrupted = true));
await warmUp();
const deadline = Date.now() + Number(options.minutes) * 60_000;
const last = options.rounds === undefined ? Infinity : Number(options.rounds);
const first = options.round === undefined ? 1 : Number(options.round);
for (let round = first; ; round++) {
  if (!(await playRound(round))) break;
  if (round % 20 === 0) say(`round ${round}: ${ledger.passed} passed, ${ledger.failures.length} failed`);
  if (options.round !== undefined || round >= last || Date.now() > deadline || interrupted) break;
}
report();
