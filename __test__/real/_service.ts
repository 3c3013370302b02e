// Real servers and load generators, started on a free port with a folder of their own, and ended by process id.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, chmodSync, chownSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { stats, support } from 'iouring-transport';

/** Where distributions put what is not for everyone's PATH. */
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', ...[18, 17, 16, 15, 14, 13].map((v) => `/usr/lib/postgresql/${v}/bin`)];

/** The user that servers run as which refuse to be root. */
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

/** The path of an installed program. */
export function find(program: string): string | undefined {
  for (const folder of [...(process.env.PATH ?? '').split(':'), ...FOLDERS]) {
    const file = path.join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** `test.serial`, or `test.skip` with the reason in the title, where io_uring or one of the programs is missing. */
export function testWith(...programs: string[]) {
  const missing = programs.filter((program) => find(program) === undefined);
  if (support().backend !== 'uring') return skipping(`io_uring is not available (${support().reason})`);
  if (missing.length > 0) return skipping(`not installed: ${missing.join(', ')} (node scripts/install-real.mjs)`);
  return (title: string, body: (t: ExecutionContext) => Promise<void>) => test.serial(title, body);
}

function skipping(reason: string) {
  return (title: string, _body: (t: ExecutionContext) => Promise<void>) => test.skip(`${title}: SKIPPED, ${reason}`, () => {});
}

/** A folder that is gone after the test. Servers without privileges may write in it. */
export function folder(t: ExecutionContext): string {
  const made = mkdtempSync(path.join(os.tmpdir(), 'iouring-real-'));
  chmodSync(made, 0o755);
  if (isRoot) chownSync(made, NOBODY, NOBODY);
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A port that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const unprivileged = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

/** Runs a command to its end, without privileges. Its output, or an error. */
export function runUnprivileged(command: string, args: string[], env: Record<string, string> = {}): string {
  const result = spawnSync(find(command)!, args, {
    ...{ encoding: 'utf8', timeout: 60_000, cwd: os.tmpdir() },
    env: { ...process.env, ...env },
    ...unprivileged,
  });
  if (result.status !== 0) throw new Error(`${command} failed: ${result.error?.message ?? `${result.stdout}\n${result.stderr}`}`);
  return result.stdout;
}

/** What to start, and where it will listen when it is ready. */
interface Service {
  command: string;
  args: string[];
  ready: number | string;
  env?: Record<string, string>;
}

/** Starts a server without privileges and waits until it takes connections. Ended after the test. */
export async function start(t: ExecutionContext, { command, args, ready, env = {} }: Service): Promise<ChildProcess> {
  const child = spawn(find(command)!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: os.tmpdir(),
    env: { ...process.env, ...env },
    ...unprivileged,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  t.teardown(() => stop(child));
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null) break;
    if (await answers(ready)) return child;
    await sleep(100);
  }
  throw new Error(`${command} does not answer:\n${output}`);
}

/** Ends a process, gently first. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  if ((await Promise.race([ended, sleep(5000, 'late', { ref: false })])) === 'late') child.kill('SIGKILL');
  await ended;
}

/** With core's sockets, so that nothing of this shows in the figures of the reactor. */
function answers(address: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof address === 'number' ? connect(address, '127.0.0.1') : connect(address);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** The reactor has been at work, and holds nothing any more. */
export async function settled(t: ExecutionContext): Promise<void> {
  const { turns: before } = stats();
  t.true(before > 0, 'the reactor has been used');
  let rest = stats();
  // A pool does not wait until its servers have ended their connections, and PostgreSQL ends a process for each.
  for (let attempt = 0; attempt < 1000 && isBusy(rest); attempt++) {
    await sleep(20);
    rest = stats();
  }
  const { turns: _, ...held } = rest;
  t.deepEqual(new Set(Object.values(held)), new Set([0]), `still held: ${JSON.stringify(held)}`);
}

function isBusy({ turns: _, ...held }: ReturnType<typeof stats>): boolean {
  return Object.values(held).some((count) => count !== 0);
}

/** Runs an application under `--import iouring-transport/register`, as it is; resolves to what it printed. */
export async function runRegistered(file: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'iouring-transport/register', file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, IOURING_TRANSPORT: 'uring', ...env },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${path.basename(file)} ended with ${code ?? signal}:\n${output}`);
  return output;
}

/** Runs a load generator or client; resolves to its output. */
export async function runTool(command: string, args: string[], input = '', timeout = 30_000): Promise<string> {
  const child = spawn(find(command)!, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}:\n${output}`);
  return output;
}
