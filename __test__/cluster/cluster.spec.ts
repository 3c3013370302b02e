// Workers of a cluster, on sockets that their primary has: the same happens as with core's, on the ring.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { support } from 'iouring-transport';

const APP = fileURLToPath(new URL('apps/cluster.mjs', import.meta.url));

/** Runs the app on a backend. What depends on the backend is in lines that begin with `#`. */
async function run(backend: string, policy: string, ...args: string[]): Promise<{ lines: string[]; told: string[] }> {
  const env = { ...process.env, IOURING_TRANSPORT: backend, NODE_CLUSTER_SCHED_POLICY: policy };
  const { stdout } = await promisify(execFile)(process.execPath, [APP, ...args], { env, timeout: 55_000 });
  const all = stdout.trim().split('\n');
  return { lines: all.filter((line) => !line.startsWith('#')), told: all.filter((line) => line.startsWith('#')) };
}

async function same(t: ExecutionContext, policy: string, ...args: string[]): Promise<void> {
  const theirs = await run('core', policy, ...args);
  t.true(theirs.lines.length > 0 && theirs.lines[0] !== '');
  if (support().backend !== 'uring') return;
  const ours = await run('uring', policy, ...args);
  t.deepEqual(ours.lines, theirs.lines);
  t.deepEqual(new Set(ours.told), new Set(theirs.told.length > 0 ? ['#ring true'] : []));
}

for (const policy of ['rr', 'none']) {
  for (const mode of ['serve', 'restart', 'crash', 'taken', 'closed', 'http', 'udp', 'udp in part']) {
    test.serial(`${mode}, scheduling ${policy}`, (t) => same(t, policy, mode));
  }

  test.serial(`at a path, scheduling ${policy}`, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'cluster-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    await same(t, policy, 'path', path.join(folder, 'socket'));
  });
}

for (const mode of ['exclusive', 'sticky', 'most']) test.serial(mode, (t) => same(t, 'rr', mode));
