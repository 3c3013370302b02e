/**
 * One measurement of files in a process of its own: `worker.mjs '{"scenario": …, "arm": …}'`. Prints one line of JSON. CPU time
 * is that of the whole process: all threads, those that have ended too.
 */
import { createRequire } from 'node:module';
import core from 'node:fs/promises';
import process from 'node:process';
import { durableAppend } from './work/durable-append.mjs';
import { random } from './work/random.mjs';
import { readSequential, writeSequential } from './work/sequential.mjs';
import { smallFiles } from './work/small-files.mjs';

const options = JSON.parse(process.argv[2]);
const { arm, scenario, seconds, warmup } = options;

const WORK = {
  'file-read-random': random,
  'file-write-random': random,
  'file-read-sequential': readSequential,
  'file-write-sequential': writeSequential,
  'file-small-files': smallFiles,
  'file-durable-append': durableAppend,
};
/** Of the operations that take about a microsecond every so many are timed: asking the clock takes a tenth of that. */
const TIMED_EVERY = scenario === 'file-read-random' || scenario === 'file-write-random' ? 16 : 1;
/** As many of the latest latencies are kept. */
const KEPT = 1 << 20;

const api = arm.startsWith('ours') ? createRequire(import.meta.url)('iouring-transport/fs') : core;

let count = 0;
let begun = 0;
let taken = 0;
const latencies = new Float64Array(KEPT);
const control = {
  stopped: false,
  /** The time at which an operation begins, for some of them. */
  begin() {
    return begun++ % TIMED_EVERY === 0 ? performance.now() : undefined;
  },
  did(amount, since) {
    count += amount;
    if (since !== undefined) latencies[taken++ % KEPT] = performance.now() - since;
  },
};

const pause = (duration) => new Promise((resolve) => setTimeout(resolve, duration * 1000));

/** The measured time, once the work has begun. */
async function measure() {
  await pause(warmup);
  const from = { count, time: performance.now(), cpu: process.cpuUsage() };
  taken = 0;
  await pause(seconds);
  const done = count - from.count;
  const elapsed = (performance.now() - from.time) / 1000;
  const { user, system } = process.cpuUsage(from.cpu);
  const sorted = latencies.slice(0, Math.min(taken, KEPT)).sort();
  control.stopped = true;
  const at = (share) => sorted[Math.floor((sorted.length - 1) * share)] * 1000;
  return {
    messagesPerSecond: done / elapsed,
    serverCpuMicrosPerMessage: (user + system) / done,
    latencyMicros: { p50: at(0.5), p99: at(0.99) },
  };
}

// What an arm does until `control.stopped`. `control.did(amount, since)` counts work, and notes how long it took since `since`, which `control.begin()` gave.
const work = WORK[scenario](api, options, control);
// What goes wrong in the work ends the process before anything is printed.
const [measured] = await Promise.all([measure(), work]);
process.stdout.write(`${JSON.stringify(measured)}\n`);
