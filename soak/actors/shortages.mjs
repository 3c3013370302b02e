/** No descriptor is left, for a moment; or a process of another user may lock hardly any memory. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Takes all descriptors there are, and gives them back. */
export async function noDescriptors(world, random) {
  await sleep(random.from(0, 300));
  const held = [];
  const end = world.beginShortage();
  try {
    for (;;) held.push(openSync('/dev/null'));
  } catch (error) {
    world.ledger.check(error.code === 'EMFILE', 'descriptors run out', error);
  }
  await sleep(random.from(5, 200));
  for (const fd of held) closeSync(fd);
  end();
  world.ledger.count('times without descriptors');
}

/** Runs a round in a process of `nobody`'s with little memory to lock. Does nothing where the soak is not root's. */
export async function littleMemory(world, random) {
  if (process.getuid?.() !== 0) return;
  const kib = random.pick([8, 16, 24, 32, 48, 64, 96, 128, 256]);
  const seed = random.from(0, 0xffff_ffff);
  const command = [`--memlock=${kib * 1024}`, 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const run = [
    process.execPath,
    new URL('../run.mjs', import.meta.url).pathname,
    '--rounds',
    '1',
    '--seed',
    String(seed),
    '--small',
  ];
  const child = spawn('prlimit', [...command, ...run], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, IOURING_TRANSPORT: '' },
  });
  child.on('error', () => {});
  if (child.pid === undefined) return;
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const [status] = await once(child, 'close');
  world.ledger.check(
    status === 0,
    `a process with ${kib} KiB to lock does all that core could do`,
    `seed ${seed}`,
    said.slice(0, 3000),
  );
  world.ledger.count('processes with little memory to lock');
}
