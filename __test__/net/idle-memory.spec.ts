// What connections that do nothing cost the heap of their server. Core's keep some 800 to 1,200 bytes there, by version, and 400 more outside of it.
import { execFile } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { needs } from '../_needs.ts';
import { onRing } from './_sockets.ts';

const APP = fileURLToPath(new URL('apps/idle.mjs', import.meta.url));
// Nothing is collected that was not asked for.
const FLAGS = ['--expose-gc', '--max-semi-space-size=64', '--min-semi-space-size=64'];
const exec = promisify(execFile);

interface Cost {
  readonly allocated: number;
  readonly kept: number;
}

needs(
  'io_uring',
  onRing,
  test,
)('an idle connection keeps little memory, and is made with little garbage', async (t) => {
  const { stdout } = await exec(process.execPath, [...FLAGS, APP, 'iouring-transport/net'], { timeout: 60_000 });
  const { allocated, kept } = JSON.parse(stdout) as Cost;
  t.true(kept < 2000, `${kept} bytes are kept`);
  // The collector takes twice as much room as what lives until its next turn.
  t.true(allocated < 4300, `${allocated} bytes are allocated`);
});
