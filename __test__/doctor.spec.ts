// `iouring-transport doctor`, as a program of its own, where io_uring is usable and where it is not.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import { Ajv } from 'ajv';
import { support } from 'iouring-transport';
import { needs } from './_needs.ts';
import { refuse, refusing } from './_refuse.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { bin: Record<string, string>; version: string };
const PROGRAM = manifest.bin['iouring-transport'];
const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(
  JSON.parse(readFileSync('docs/doctor.schema.json', 'utf8')) as object,
);
const isUsable = support().available;
const whereUsable = needs('io_uring', isUsable, test);
const whereRefused = needs('io_uring', isUsable, refusing);

interface Run {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  /** What the program is started with. */
  readonly behind?: readonly string[];
  /** What Node is started with. */
  readonly node?: readonly string[];
}

function doctor({ args = [], env = {}, behind = [], node = [] }: Run = {}) {
  const { IOURING_TRANSPORT: _, FORCE_COLOR: __, NO_COLOR: ___, ...inherited } = process.env;
  const [command, ...rest] = [...behind, process.execPath, ...node, PROGRAM, 'doctor', ...args];
  return spawnSync(command, rest, { env: { ...inherited, ...env }, encoding: 'utf8', timeout: 60_000 });
}

type Report = Record<string, any>;

/** What `--json` prints, which is as the schema says, and the exit status. */
function reported(t: ExecutionContext, run: Run = {}): Report & { status: number | null } {
  const { stdout, stderr, status } = doctor({ ...run, args: [...(run.args ?? []), '--json'] });
  t.is(stderr, '');
  const report = JSON.parse(stdout) as Report;
  t.true(validate(report), JSON.stringify(validate.errors));
  return { ...report, status };
}

/** A module that is loaded before the program. */
const preload = (code: string) => ['--import', `data:text/javascript,${encodeURIComponent(code)}`];

whereUsable('usable: the status is 0, and nothing stands in the way', (t) => {
  const report = reported(t);
  t.like(report, { status: 0, usable: true, backend: 'uring', reason: null, message: null, errno: null, hints: [], bench: null });
  t.is(report.package, manifest.version);
  t.deepEqual(report.settings, support().settings);
  const present = (report.features as Array<{ name: string; present: boolean }>)
    .filter((one) => one.present)
    .map(({ name }) => name);
  t.deepEqual(present, Object.keys(support().features));
  t.is(report.limits.length, 2);
  t.true(report.sysctls.length >= 26);
  for (const { command, purpose, value, sufficient } of [...report.limits, ...report.sysctls]) {
    t.regex(command, /^(ulimit -|sysctl -w )/);
    t.true(purpose.length > 10);
    t.is(value === null, sufficient === null);
  }
});

whereUsable('for a person it says the same, with colors only where they are wanted', (t) => {
  const { stdout, status } = doctor();
  t.is(status, 0);
  t.regex(stdout, /^✔ io_uring is usable here\n/);
  for (const text of ['incremental-buffers', 'nofile', 'net.core.somaxconn', 'recommended']) t.true(stdout.includes(text), text);
  t.false(stdout.includes('\u001B'));
  t.true(doctor({ env: { FORCE_COLOR: '1' } }).stdout.includes('\u001B[32m'));
  t.false(doctor({ env: { FORCE_COLOR: '0' } }).stdout.includes('\u001B'));
});

whereUsable('IOURING_TRANSPORT=core: usable, and not used', (t) => {
  const env = { IOURING_TRANSPORT: 'core' };
  const report = reported(t, { env });
  t.like(report, {
    status: 0,
    usable: true,
    backend: 'core',
    reason: 'ERR_IOURING_FORCED_CORE',
    settings: null,
    environment: env,
  });
  t.is(report.hints.length, 1);
  t.regex(doctor({ env }).stdout, /^! io_uring is usable here, and not used: IOURING_TRANSPORT=core is set/);
});

const refusals: Array<[string, string, string]> = [
  ['setup', 'ERR_IOURING_REFUSED_SECCOMP', 'EPERM'],
  ['register', 'ERR_IOURING_ENTER_REFUSED', 'EPERM'],
  ['hidden', 'ERR_IOURING_NO_SYSCALL', 'ENOSYS'],
];
for (const [mode, reason, errno] of refusals) {
  whereRefused(`under a seccomp filter: ${mode}`, (t) => {
    const report = reported(t, { behind: [refuse, mode] });
    t.like(report, { status: 1, usable: false, backend: 'core', reason, errno, settings: null });
    t.is(report.host.seccomp, 'filter');
    t.true(report.hints.length > 0);
    const { stdout, status } = doctor({ behind: [refuse, mode] });
    t.is(status, 1);
    t.true(stdout.startsWith('✘ io_uring is not usable here:') && stdout.includes(reason), stdout);
  });
}

whereRefused('what can be done depends on where it is', (t) => {
  const hints = (env: Record<string, string>) => JSON.stringify(reported(t, { behind: [refuse, 'setup'], env }).hints);
  t.regex(hints({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }), /localhostProfile: profiles\/io-uring\.json/);
  t.regex(hints({ AWS_EXECUTION_ENV: 'AWS_ECS_FARGATE' }), /EC2/);
  t.regex(hints({ K_SERVICE: 'hello' }), /gen2/);
});

const inNamespace = needs(
  'the right to make user namespaces',
  spawnSync('unshare', ['--user', '--map-root-user', 'true']).status === 0,
  whereUsable,
);
inNamespace('in a user namespace', (t) => {
  const report = reported(t, { behind: ['unshare', '--user', '--map-root-user'] });
  t.is(report.host.userNamespace, true);
  t.is(report.status, report.usable ? 0 : 1);
});

test('on macOS', (t) => {
  const report = reported(t, { node: preload(`Object.defineProperty(process, 'platform', { value: 'darwin' });`) });
  t.like(report, {
    status: 1,
    usable: false,
    backend: 'core',
    reason: 'ERR_IOURING_NOT_LINUX',
    errno: null,
    limits: [],
    sysctls: [],
  });
  t.like(report.host, { platform: 'darwin', kernel: null, container: null, seccomp: null, userNamespace: null });
});

test('on a processor that there is no binary for, and without one', (t) => {
  const other = reported(t, { node: preload(`Object.defineProperty(process, 'arch', { value: 's390x' });`) });
  t.like(other, { status: 1, reason: 'ERR_IOURING_UNSUPPORTED_ARCHITECTURE' });
  const code = `import fs from 'node:fs';
    import module from 'node:module';
    const exists = fs.existsSync;
    fs.existsSync = (path) => !String(path).endsWith('.node') && exists(path);
    module.syncBuiltinESMExports();
    const resolve = module._resolveFilename;
    module._resolveFilename = function (request, ...rest) {
      if (/\\.node$|-gnu$|-musl$/.test(request)) throw Object.assign(new Error(request), { code: 'MODULE_NOT_FOUND' });
      return resolve.call(this, request, ...rest);
    };`;
  const without = reported(t, { node: preload(code) });
  t.like(without, { status: 1, reason: 'ERR_IOURING_NO_BINARY' });
});

whereUsable('--bench compares', (t) => {
  const { bench, status } = reported(t, { args: ['--bench'] });
  t.is(status, 0);
  for (const figure of [bench.core, bench.uring]) t.true(figure.messagesPerSecond > 0 && figure.cpuMicroseconds > 0);
  t.is(bench.cpuRatio, bench.uring.cpuMicroseconds / bench.core.cpuMicroseconds);
});

test('wrong arguments are told of, on standard error and with status 2', (t) => {
  const run = (...args: string[]) => spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' });
  for (const args of [[], ['nurse'], ['doctor', 'again'], ['doctor', '--jsno'], ['doctor', '--json=yes']]) {
    const { stdout, stderr, status } = run(...args);
    t.deepEqual([stdout, status], ['', 2], args.join(' '));
    t.not(stderr, '');
  }
  t.regex(run('--help').stdout, /^Usage: iouring-transport doctor/);
  t.is(run('--version').stdout, `${manifest.version}\n`);
});
