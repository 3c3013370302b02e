// The service in containers of Docker's: its default profile, ours, and `docker stop`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { support } from 'iouring-transport';
import YAML from 'yaml';
import { needs } from '../_needs.ts';
import { docker, makeImage, whyNot } from './_container.ts';

interface Load {
  stop(): Promise<{ statuses: Map<number, number>; errors: Array<{ answering?: boolean; reused?: boolean }> }>;
}

/** What runs the sample service is JavaScript. */
const tool = (name: string): Promise<unknown> => import(`../../examples/service/tools/${name}.mjs`);
const { startDatabases, whyNot: whyNoService } = (await tool('stack')) as {
  startDatabases(): Promise<{ env: Readonly<Record<string, string>>; stop(): Promise<void> }>;
  whyNot(): string | undefined;
};
const { isInstalled, linkInto } = (await tool('dependencies')) as { isInstalled(): boolean; linkInto(folder: string): void };
const { startLoad } = (await tool('client')) as { startLoad(connections: number, next: () => { url: string }): Load };

const reason = whyNot();
const contained = needs(reason ?? 'io_uring', reason === undefined && support().available);
const served = needs(
  reason ?? whyNoService() ?? 'io_uring',
  reason === undefined && whyNoService() === undefined && support().available,
);

let image: string;
if (reason === undefined) {
  test.before(async (t) => {
    // A few hundred megabytes, packed and unpacked. Nothing else happens meanwhile: the word has to be out before.
    t.timeout(300_000);
    await sleep(0);
    image = makeImage((folder) => {
      if (isInstalled()) linkInto(folder);
    });
  });
  test.after.always(() => docker('image', 'rm', '--force', image));
}

/** What the compose file gives the service, as arguments of `docker run`; limits are this machine's. */
const { services } = YAML.parse(readFileSync('deploy/docker/compose.yaml', 'utf8')) as {
  services: { service: { security_opt: string[]; cap_drop: string[]; read_only: boolean } };
};
const { security_opt: options, cap_drop: dropped } = services.service;
const CONFINED = [
  ...options.flatMap((option) => ['--security-opt', option.replace('seccomp=..', 'seccomp=deploy')]),
  ...dropped.flatMap((capability) => ['--cap-drop', capability]),
  ...['--read-only', '--tmpfs', '/tmp'],
];

/** Runs the small service of bytes over a stream, a datagram and a file. @returns what its threads ran on, and what it warned of */
function backends(...args: string[]) {
  const { status, stdout, stderr } = docker('run', '--rm', '--network', 'none', ...args, image, 'service.mjs');
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
  return { threads: JSON.parse(stdout) as Array<Record<string, unknown>>, warning: stderr };
}

contained('under the default profile of the daemon a service runs on core, and says that seccomp refuses the ring', (t) => {
  const { threads, warning } = backends('--tmpfs', '/tmp');
  t.is(threads.length, 2);
  for (const thread of threads) {
    t.like(thread, { backend: 'core', reason: 'ERR_IOURING_REFUSED_SECCOMP', moved: ['stream', 'datagram', 'file'] });
  }
  t.regex(warning, /IOURING_TRANSPORT_FALLBACK.*ERR_IOURING_REFUSED_SECCOMP/s);
});

contained('under ours, with no capability and nothing to write on, it runs on io_uring', (t) => {
  const { threads, warning } = backends(...CONFINED, '--env', 'IOURING_TRANSPORT=uring');
  t.is(threads.length, 2);
  for (const thread of threads) t.like(thread, { backend: 'uring', moved: ['stream', 'datagram', 'file'] });
  t.notRegex(warning, /IOURING_TRANSPORT/);
});

served('docker stop under load: what was accepted is answered, and the service ends by itself', async (t) => {
  t.timeout(180_000);
  const databases = await startDatabases();
  t.teardown(() => databases.stop());
  const name = `iouring-transport-test-${process.pid}`;
  const { UPLOADS: _, ...env } = databases.env;
  const variables = { ...env, PORT: '0', METRICS_PORT: '0', DRAIN_MS: '3000', IOURING_TRANSPORT: 'uring' };
  const given = Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  const program = ['--import', 'iouring-transport/register', 'server.mjs'];
  t.teardown(() => docker('rm', '--force', name));
  const run = docker('run', '--detach', '--name', name, '--network', 'host', ...CONFINED, ...given, image, ...program);
  t.is(run.status, 0, run.stderr);

  const events = () =>
    docker('logs', name)
      .stdout.split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  while (events().length === 0 && docker('inspect', '--format', '{{.State.Running}}', name).stdout.trim() === 'true')
    await sleep(100);
  const [ready] = events();
  t.like(ready, { event: 'ready', backend: 'uring' }, docker('logs', name).stderr);

  let count = 0;
  const load = startLoad(8, () => ({ url: `http://127.0.0.1:${ready['port'] as number}/items/${1 + (count++ % 200)}` }));
  await sleep(500);
  // In a process of its own: this one is the load.
  t.deepEqual(await once(spawn('docker', ['stop', '-t', '30', name], { stdio: 'ignore' }), 'exit'), [0, null]);
  const { statuses, errors } = await load.stop();
  t.deepEqual([...statuses.keys()], [200]);
  t.deepEqual(
    errors.filter(({ answering, reused }) => answering || reused),
    [],
  );
  t.is(docker('inspect', '--format', '{{.State.ExitCode}}', name).stdout.trim(), '0');
  t.deepEqual(events().at(-1), { event: 'ended', clean: true });
});
