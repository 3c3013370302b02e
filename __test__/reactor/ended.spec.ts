// The native class after `end()`: it refuses, and touches nothing that is gone.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
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

/** Functions of a reactor that has ended, of which nothing is left: another has its place, and garbage has been collected. */
const OUTLIVED = `
  const { NativeReactor } = require('./${file}');
  const first = () => {
    const native = new NativeReactor(() => {}, false);
    const { readNowait, readManyNowait, sendNowait, receiveNowait } = native;
    native.end();
    registry.register(native);
    return { readNowait, readManyNowait, sendNowait, receiveNowait };
  };
  const registry = new FinalizationRegistry(() => {
    const bytes = new Uint8Array(8);
    const read = readNowait(0, bytes, 0, 8, 0);
    console.log(read, readManyNowait(0, bytes, new Float64Array(1), 8, new Int32Array(1), 1), sendNowait(0, [bytes]), receiveNowait(0, bytes));
    clearInterval(looks);
  });
  const { readNowait, readManyNowait, sendNowait, receiveNowait } = first();
  new NativeReactor(() => {}, false);
  const looks = setInterval(gc, 10);`;

uring('functions that outlive their reactor', (t) => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--eval', OUTLIVED], {
    cwd: root,
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0:glibc.malloc.perturb=4' },
  });
  t.is(status, 0, `${signal ?? ''} ${stderr}`);
  t.is(stdout, `${-os.constants.errno.EBADF} 0 0 0\n`);
});
