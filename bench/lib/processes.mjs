/** Starting servers and the load generator, each on a CPU of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { inRoot } from '../../scripts/lib.mjs';

/** The compiled load generator and native servers. */
export const benchTool = path.join(process.env.CARGO_TARGET_DIR ?? inRoot('target'), 'release', 'iouring-bench');

/** Arguments that have the JavaScript arms' server of a mode run at an address, on one of `modules`; `more` are the last of them. */
export function serverScript(mode, address, modules, ...more) {
  const kind = kindOf(mode, address);
  return [inRoot('bench', 'servers', FILES[mode] ?? FILES[kind] ?? 'http.mjs'), modules[kind], mode, address, ...more];
}

/** Servers that are not http.mjs, by their mode or the module that they are built on. */
const FILES = {
  ...{ fairness: 'fairness.mjs', pool: 'pool.mjs', workers: 'workers.mjs' },
  ...{ net: 'stream.mjs', tls: 'stream.mjs', dgram: 'datagram.mjs' },
};

/** The module that the server of a mode is built on. */
function kindOf(mode, address) {
  if (isDatagram(address)) return 'dgram';
  if (mode.startsWith('h2-')) return 'http2';
  const isSecure = mode.startsWith('secure-');
  if (/(hello|body)$/.test(mode)) return isSecure ? 'https' : 'http';
  return isSecure ? 'tls' : 'net';
}

/** Whether a server at this address takes datagrams. */
export const isDatagram = (address) => address.startsWith('udp:');

const canPin = os.availableParallelism() > 1 && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;

/**
 * Lets what this process starts go before others, where that is allowed: they disturb the measurement less. Where the
 * scheduler groups processes by session, the priority of the group is what counts, and is put back at the end.
 */
function raisePriority() {
  try {
    os.setPriority(process.pid, PRIORITY);
  } catch {
    return false;
  }
  try {
    const group = '/proc/self/autogroup';
    const before = / nice (-?\d+)/.exec(readFileSync(group, 'utf8'))?.[1] ?? '0';
    writeFileSync(group, String(PRIORITY));
    process.on('exit', () => writeFileSync(group, before));
  } catch {
    // No such grouping here.
  }
  return true;
}

const PRIORITY = -15;
const isRaised = raisePriority();

/** How processes are placed, for the report. */
export const placement = [
  canPin ? 'server on CPU 0, load generator on CPU 1 (taskset)' : 'not pinned: taskset or a second CPU is missing',
  ...(isRaised ? [`nice ${PRIORITY}`] : []),
].join(', ');

/** The command with which `command` runs on one CPU, or on all where none is named. */
function pinned(cpu, [command, ...args]) {
  return canPin && cpu !== undefined ? ['taskset', ['-c', String(cpu), command, ...args]] : [command, args];
}

/** Lines of a stream, to be awaited one by one; `undefined` at its end. */
function lineReader(stream) {
  const lines = createInterface({ input: stream })[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    return done ? undefined : value;
  };
}

/** Resolves to the promise's value, or rejects with `message` after that many milliseconds. */
export async function within(milliseconds, promise, message) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A child process that says when it is ready and ends when its standard input closes. */
export class Child {
  /** @param {{ cpu?: number, command: string[], env?: Record<string, string> }} options */
  constructor({ cpu, command, env = {} }) {
    const [file, args] = pinned(cpu, command);
    this.command = command;
    this.process = spawn(file, args, { cwd: inRoot('.'), env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.readLine = lineReader(this.process.stdout);
    this.complaints = '';
    this.process.stderr.setEncoding('utf8').on('data', (text) => {
      this.complaints = (this.complaints + text).slice(-4000);
    });
    this.ended = new Promise((resolve) => {
      this.process.on('error', (error) => resolve({ error }));
      this.process.on('close', (status, signal) => resolve({ status, signal }));
    });
    // A child that is gone tells so by its end, not by an error on the way to it.
    this.process.stdin.on('error', () => {});
  }

  get pid() {
    return this.process.pid;
  }

  /** The next line it prints; an error if it ends or takes longer than `milliseconds` instead. */
  async line(milliseconds, what) {
    const line = await within(milliseconds, this.readLine(), `${what} took more than ${milliseconds / 1000} s`);
    if (line !== undefined) return line;
    const { status, signal, error } = await this.ended;
    throw new Error(`${what} ended: ${error?.message ?? signal ?? `status ${status}`}\n${this.complaints}`.trim());
  }

  /** Ends it, gently first. */
  async stop() {
    this.process.stdin.end();
    await within(3000, this.ended, 'still there').catch(() => this.process.kill('SIGKILL'));
    await this.ended;
  }
}

/**
 * Starts a server of an arm. Resolves when it says where it listens, and by which processes beside its own.
 *
 * @param more `cpu`: where it runs, undefined for all of them (0); `env`: what is in its environment besides
 */
export async function startServer(arm, mode, address = '127.0.0.1:0', more = {}) {
  const { cpu, env } = { cpu: 0, ...more };
  const child = new Child({ cpu, command: arm.command(mode, address), env: { ...arm.env, ...env } });
  try {
    child.collectsGarbage = arm.collectsGarbage === true;
    const [listening, ...workers] = (await child.line(10_000, `the server of ${arm.name}`)).split(' ');
    child.address = listening;
    child.pids = [child.pid, ...workers];
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Runs the load generator, on CPU 1 unless `more` has another, against a server and resolves to what it measured. `seconds` is what it is meant to take. */
export async function runLoad(kind, server, args, seconds, more = {}) {
  const command = [benchTool, 'load', kind, '--address', server.address, '--watch', String(server.pid), ...args.map(String)];
  const child = new Child({ cpu: 1, ...more, command });
  try {
    return JSON.parse(await child.line((seconds + 30) * 1000, 'the load generator'));
  } finally {
    await child.stop();
  }
}
