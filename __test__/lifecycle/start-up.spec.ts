// What a program loads that uses this package: time before it does anything. Counted, since times say nothing on a busy machine.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';

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
    console.log(JSON.stringify({ files, core }));`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--eval', script + report], {
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
