// The seccomp profiles in deploy/: what is in them, and what a service does under each, loaded with libseccomp.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';
import { support } from 'iouring-transport';
import { needs } from '../_needs.ts';
import { backends, whyNot } from './_confined.ts';
import type { Profile } from './_confined.ts';

interface DockerProfile extends Profile {
  readonly archMap: readonly unknown[];
}

/** A script is JavaScript: it runs before anything is built. */
const script = (name: string): Promise<unknown> => import(`../../scripts/${name}.mjs`);
const { readProfile, resolve } = (await script('seccomp-profiles')) as {
  readProfile(name: string): DockerProfile;
  resolve(profile: DockerProfile, container: { arches: readonly string[]; capabilities: readonly string[] }): Profile;
};

const RING = ['io_uring_setup', 'io_uring_enter', 'io_uring_register'];
/** What Docker leaves to a container's root. */
const CAPABILITIES =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'.split(
    ' ',
  );
const container = {
  arches: [process.arch === 'arm64' ? 'arm64' : 'amd64'],
  capabilities: CAPABILITIES.map((name) => `CAP_${name}`),
};

const reason = whyNot();
const confined = needs(reason ?? 'io_uring', reason === undefined && support().available, test);

const allowedBy = ({ syscalls }: Profile) =>
  new Set(syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW').flatMap(({ names }) => names));

test('the profiles are the default one and three calls', (t) => {
  const before = readProfile('docker-default.json');
  const after = readProfile('docker.json');
  t.deepEqual(after.syscalls.slice(0, -1), before.syscalls);
  t.deepEqual(after.syscalls.at(-1)!.names, RING);
  for (const call of RING) t.false(allowedBy(before).has(call), call);
  t.is(spawnSync(process.execPath, ['scripts/seccomp-profiles.mjs', '--check']).status, 0, 'generated anew');
});

test('the profile for containerd has no conditions, and allows nothing that a capability is needed for', (t) => {
  const profile = readProfile('kubernetes.json');
  for (const rule of profile.syscalls) t.false('includes' in rule || 'excludes' in rule);
  t.false('archMap' in profile);
  const allowed = allowedBy(profile);
  for (const call of RING) t.true(allowed.has(call), call);
  for (const call of ['mount', 'bpf', 'chroot', 'setns', 'unshare', 'reboot', 'init_module']) t.false(allowed.has(call), call);
});

confined('under Docker’s default profile a service runs on core, and says that seccomp refuses the ring', (t) => {
  const { threads, warning } = backends(resolve(readProfile('docker-default.json'), container));
  for (const thread of threads) {
    t.like(thread, { backend: 'core', reason: 'ERR_IOURING_REFUSED_SECCOMP', errno: -1, moved: ['stream', 'datagram', 'file'] });
  }
  t.regex(warning, /IOURING_TRANSPORT_FALLBACK.*ERR_IOURING_REFUSED_SECCOMP/s);
});

for (const [name, profile] of Object.entries({
  'docker.json': resolve(readProfile('docker.json'), container),
  'docker.json without capabilities': resolve(readProfile('docker.json'), { ...container, capabilities: [] }),
  'kubernetes.json': readProfile('kubernetes.json'),
})) {
  confined(`under ${name} a service runs on io_uring`, (t) => {
    const { threads, warning } = backends(profile, { IOURING_TRANSPORT: 'uring' });
    t.is(threads.length, 2);
    for (const thread of threads) t.like(thread, { backend: 'uring', moved: ['stream', 'datagram', 'file'] });
    t.is(warning, '');
  });
}
