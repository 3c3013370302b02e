// The native class after `end()`: it refuses, and touches nothing that is gone.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import { needs } from '../_needs.ts';
import type { NativeBinding } from '../../ts/native-binding.ts';

const root = new URL('../../', import.meta.url);
const file = readdirSync(root).find((name) => name.startsWith('iouring-transport.') && name.endsWith('.node'))!;
const binding = createRequire(import.meta.url)(`../../${file}`) as NativeBinding;
const uring = needs('io_uring', binding.support().available);

/** Calls every method of an ended reactor, at once and when what woke it has been freed, and makes another. */
const SCRIPT = `
  const { NativeReactor } = require('./${file}');
  const native = new NativeReactor(() => {}, process.argv[1] === 'waiter');
  native.hold(false);
  native.end();
  const methods = Object.entries(Object.getOwnPropertyDescriptors(NativeReactor.prototype))
    .filter(([name, { value }]) => !/^(?:constructor|reportException)$/.test(name) && typeof value === 'function')
    .map(([name]) => name);
  const hold = () => [native.hold(true), native.hold(false), native.hold(true)];
  const call = () => {
    hold();
    for (const name of methods)
      for (const args of [[], [0, 0, 0], [0, '127.0.0.1', 1]])
        try { native[name](...args); } catch {}
    native.hold(false);
  };
  hold();
  setTimeout(() => {
    call();
    new NativeReactor(() => {}, false);
    console.log('methods', methods.length > 20);
  }, 20);`;

for (const driver of ['uv', 'waiter'])
  uring(`methods of an ended reactor, ${driver}`, (t) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--eval', SCRIPT, driver], {
      cwd: root,
      encoding: 'utf8',
      timeout: 20_000,
      // In glibc, whoever uses memory that was freed finds there a libuv handle that is active, of a loop that is nowhere.
      env: { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0:glibc.malloc.perturb=4' },
    });
    t.is(status, 0, `${signal ?? ''} ${stderr}`);
    t.is(stdout, 'methods true\n');
  });
