// What a program loads that uses this package: time before it does anything. Counted, since times say nothing on a busy machine.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import type ours from 'iouring-transport/net';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Loaded {
  /** Files of this package. */
  readonly files: readonly string[];
  /** Modules of core's own. */
  readonly core: readonly string[];
}

function loadedBy(t: ExecutionContext, script: string): Loaded {
  const report = `
    const files = Object.keys(require.cache).map((file) => require('path').basename(file)).sort();
    const core = process.moduleLoadList.filter((name) => name.startsWith('NativeModule ')).map((name) => name.split(' ')[1]);
    console.log(JSON.stringify({ files, core }));
    process.exit();`;
  const program = `(async () => { ${script + report} })()`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--eval', program], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 50_000,
    env: { ...process.env, IOURING_TRANSPORT: 'uring' },
  });
  t.is(status, 0, stderr);
  return JSON.parse(stdout) as Loaded;
}

/** What core's modules take long to load, and few programs need. */
const HEAVY = [
  ...[
    'async_wrap',
    'child_process',
    'cluster',
    'dgram',
    'dns',
    'dns/promises',
    'fs/promises',
    'http',
    'http2',
    'https',
    'perf_hooks',
  ],
  ...['readline', 'timers/promises', 'tls', 'tty', 'worker_threads', 'internal/blocklist', 'internal/child_process'],
];

test('register: itself and a table', (t) => {
  const plain = loadedBy(t, '');
  const loaded = loadedBy(t, `require('iouring-transport/register');`);
  t.deepEqual(loaded.files, ['answer.cjs', 'register.cjs']);
  t.deepEqual(
    HEAVY.filter((name) => loaded.core.includes(name) && !plain.core.includes(name)),
    [],
  );
});

test('register: what a file handle is made of does without net', (t) => {
  const { files } = loadedBy(
    t,
    `require('iouring-transport/register'); await (await require('fs/promises').open('/dev/null')).close();`,
  );
  t.true(files.includes('fs.cjs'));
  t.false(files.includes('net.cjs'));
});

test('net and a first server: two files, the binding, and nothing of core that core does without', (t) => {
  const listening = (name: string) => `const server = require('${name}').createServer().listen(0); server.close();`;
  const core = loadedBy(t, `const { Socket } = require('net');`);
  const loaded = loadedBy(t, listening('iouring-transport/net'));
  t.is(loaded.files.filter((name) => name.endsWith('.node')).length, 1);
  t.deepEqual(
    loaded.files.filter((name) => !name.endsWith('.node')),
    ['net.cjs', 'ring.cjs'],
  );
  t.deepEqual(
    // What looks for a binary by core's rules takes node:module.
    [...HEAVY, 'module'].filter((name) => loaded.core.includes(name) && !core.core.includes(name)),
    [],
  );
});

const untilConnectionsAreLoaded = `
  for (let turns = 0; turns < 1e4 && !Object.keys(require.cache).some((file) => file.endsWith('connections.cjs')); turns++) {
    await new Promise((resolve) => setImmediate(resolve));
  }`;

for (const [who, script] of Object.entries({
  net: `require('iouring-transport/net');`,
  http: `require('iouring-transport/http');`,
  'a server': `await new Promise((resolve) => require('iouring-transport/tls').createServer().listen(0, resolve));`,
})) {
  test(`what connections are made of is there before the first one: there may be no descriptor left to load it with by then, ${who}`, (t) => {
    const { files } = loadedBy(t, script + untilConnectionsAreLoaded);
    t.true(files.includes('connections.cjs'));
  });
}

test('a class that is loaded on demand is an export like others', (t) => {
  const require = createRequire(import.meta.url);
  const net = require('iouring-transport/net') as typeof ours;
  const core = process.getBuiltinModule('node:net');
  for (const name of ['Socket', 'Stream', 'Server', 'connect'] as const) {
    const { value, ...rest } = Object.getOwnPropertyDescriptor(net, name)!;
    const { value: _cores, ...cores } = Object.getOwnPropertyDescriptor(core, name)!;
    t.deepEqual(rest, cores, name);
    t.is(value, net[name], name);
  }
  t.is(net.Stream, net.Socket);
});

test('who replaces such a class before it is loaded is heeded', (t) => {
  const { files } = loadedBy(
    t,
    `const net = require('iouring-transport/net');
    net.Socket = class Mine {};
    if (net.Socket.name !== 'Mine') throw new Error('it is not');`,
  );
  t.false(files.includes('connections.cjs'));
});
