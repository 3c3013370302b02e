// The systemd unit in deploy/: systemd has nothing to say about it, and a service under its filter of system calls has a ring.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { support } from 'iouring-transport';
import { needs } from '../_needs.ts';
import { backends, whyNot } from './_confined.ts';
import type { Profile } from './_confined.ts';

const UNIT = 'deploy/systemd/iouring-service.service';
const unit = readFileSync(UNIT, 'utf8');
const analyze = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8', timeout: 60_000 });
const there = analyze('--version').status === 0;
const withSystemd = needs('systemd', there, test);
const confined = needs(
  'systemd, io_uring and the right to set a filter',
  there && whyNot() === undefined && support().available,
  test,
);

/** The system calls of a group, `@…`, with those of the groups in it. */
function callsOf(name: string): string[] {
  if (!name.startsWith('@')) return [name];
  const lines = analyze('syscall-filter', name).stdout.split('\n').slice(1);
  return lines.map((line) => line.trim()).flatMap((line) => (line === '' || line.startsWith('#') ? [] : callsOf(line)));
}

/** What systemd makes of the unit's lines: the first allows, one with `~` takes away. `@default` and `execve` it always allows. */
function filterOf(text: string): Profile {
  const allowed = new Set([...callsOf('@default'), 'execve']);
  for (const [, taken, names] of text.matchAll(/^SystemCallFilter=(~?)(.+)$/gm)) {
    for (const call of names.split(' ').flatMap(callsOf)) {
      if (taken === '') allowed.add(call);
      else allowed.delete(call);
    }
  }
  return { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: [...allowed], action: 'SCMP_ACT_ALLOW' }] };
}

withSystemd('systemd knows every line of it', (t) => {
  // It also looks for the program, which is not here: only lines that it does not understand count.
  const { stdout, stderr } = analyze('verify', UNIT);
  t.notRegex(stdout + stderr, /iouring-service\.service:\d+:/);
});

test('it gives the service descriptors, memory to lock and time to end', (t) => {
  for (const line of [/^LimitNOFILE=\d+$/m, /^LimitMEMLOCK=\d+M$/m, /^KillSignal=SIGTERM$/m, /^TimeoutStopSec=\d+$/m]) {
    t.regex(unit, line);
  }
});

confined('under its filter a service runs on io_uring', (t) => {
  const { threads, warning } = backends(filterOf(unit), { IOURING_TRANSPORT: 'uring' });
  for (const thread of threads) t.like(thread, { backend: 'uring', moved: ['stream', 'datagram', 'file'] });
  t.is(warning, '');
});

confined('with the ring taken out of the filter it runs on core', (t) => {
  const { threads } = backends(filterOf(`${unit}\nSystemCallFilter=~io_uring_setup`));
  for (const thread of threads) t.like(thread, { backend: 'core', reason: 'ERR_IOURING_REFUSED_SECCOMP' });
});
