/** The service with a PostgreSQL and a Redis of its own, from Debian's packages, in a folder that is gone afterwards. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, chownSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { inRoot } from '../../../scripts/lib.mjs';
import { install, isInstalled, prepare } from './dependencies.mjs';

/** Where distributions put what is not for everyone's PATH. */
const FOLDERS = ['/usr/sbin', ...[18, 17, 16, 15, 14, 13].map((version) => `/usr/lib/postgresql/${version}/bin`)];
const PROGRAMS = ['postgres', 'initdb', 'psql', 'redis-server'];
/** Servers refuse to be root. */
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
const unprivileged = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

function find(program) {
  return [...(process.env.PATH ?? '').split(':'), ...FOLDERS]
    .map((folder) => path.join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Why it cannot be started here; undefined where it can. What it depends on must be there, or is installed where `mayInstall` says so. */
export function whyNot({ mayInstall = false } = {}) {
  const missing = PROGRAMS.filter((program) => find(program) === undefined);
  if (missing.length > 0) return `not installed: ${missing.join(', ')} (Debian: apt-get install postgresql redis-server)`;
  const isThere = mayInstall ? install() : isInstalled();
  return isThere ? undefined : 'its dependencies are not installed (node examples/service/tools/dependencies.mjs)';
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** Starts a server and waits until it takes connections. */
async function startServer(command, args, port) {
  const child = spawn(find(command), args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: os.tmpdir(), ...unprivileged });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  for (let attempt = 0; attempt < 300 && child.exitCode === null; attempt++) {
    if (await answers(port)) return child;
    await sleep(100);
  }
  throw new Error(`${command} does not answer:\n${output}`);
}

async function end(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

/** PostgreSQL and Redis. */
export async function startDatabases() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-service-'));
  chmodSync(folder, 0o755);
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const data = path.join(folder, 'postgres');
  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C'];
  const made = spawnSync(find('initdb'), args, { encoding: 'utf8', cwd: os.tmpdir(), timeout: 60_000, ...unprivileged });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);

  const ports = { postgres: await freePort(), redis: await freePort() };
  const startRedis = () =>
    startServer('redis-server', ['--port', `${ports.redis}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder], ports.redis);
  const options = ['-D', data, '-p', `${ports.postgres}`, '-c', 'listen_addresses=127.0.0.1', '-k', folder, '-F'];
  const postgres = await startServer('postgres', options, ports.postgres);
  let redis = await startRedis();
  await makeTables(ports.postgres);
  return {
    env: {
      DATABASE_URL: `postgres://postgres@127.0.0.1:${ports.postgres}/postgres`,
      REDIS_URL: `redis://127.0.0.1:${ports.redis}`,
      UPLOADS: path.join(folder, 'uploads'),
    },
    folder,
    killRedis: () => end(redis, 'SIGKILL'),
    restartRedis: async () => {
      redis = await startRedis();
    },
    /** Whatever it was about to do it does later: the postmaster and all that work for connections. */
    pausePostgres: () => signalAll(postgres.pid, 'SIGSTOP'),
    resumePostgres: () => signalAll(postgres.pid, 'SIGCONT'),
    async stop() {
      signalAll(postgres.pid, 'SIGCONT');
      // Fast: connections are ended.
      await Promise.all([end(postgres, 'SIGINT'), end(redis)]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function signalAll(pid, signal) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  for (const one of [pid, ...children.map(Number)]) {
    try {
      process.kill(one, signal);
    } catch {
      // One that worked for a connection, or in the background, and has just ended.
    }
  }
}

/** By psql: the service's own client is not at hand here. */
async function makeTables(port) {
  const file = inRoot('examples', 'service', 'tables.sql');
  const args = [
    '-h',
    '127.0.0.1',
    '-p',
    `${port}`,
    '-U',
    'postgres',
    '-q',
    '-1',
    '-v',
    'ON_ERROR_STOP=1',
    '-f',
    file,
    'postgres',
  ];
  for (let attempt = 0; attempt < 100; attempt++) {
    // It takes connections before it is ready.
    const { status } = spawnSync(find('psql'), args, { stdio: 'ignore' });
    if (status === 0) return;
    await sleep(100);
  }
  throw new Error('the tables could not be made');
}

/**
 * Starts the service, with workers of its own.
 *
 * @param {'uring' | 'core'} backend
 * @param {Record<string, string>} env
 */
export async function startService(backend, env) {
  const folder = prepare();
  const child = spawn(process.execPath, ['--import', 'iouring-transport/register', 'server.mjs'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PORT: '0', METRICS_PORT: '0', ...env, IOURING_TRANSPORT: backend },
  });
  child.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const events = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const event = JSON.parse(line);
      events.push(event);
      if (event.event === 'ready') resolve(event);
    });
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}:\n${errors}`)));
  });
  const { port, metrics, backend: used } = await ready;
  return {
    ...{ child, events, backend: used, port },
    url: `http://127.0.0.1:${port}`,
    metrics: `http://127.0.0.1:${metrics}`,
    errors: () => errors,
    /** Tells it to end. @returns its status, when it has */
    async stop() {
      if (child.exitCode !== null) return child.exitCode;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      const [code] = await exit;
      return code;
    },
  };
}
