import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import * as named from 'iouring-transport';
import whole, { IouringUnavailableError, support } from 'iouring-transport';

const require = createRequire(import.meta.url);

/** Evaluates a script in a process of its own and returns what it printed. */
function evaluate(script: string, environment: Record<string, string>) {
  const { IOURING_TRANSPORT: _, ...inherited } = process.env;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...inherited, ...environment },
    encoding: 'utf8',
  });
  return { stdout, stderr, status };
}

test('import and require share one implementation', (t) => {
  const required = require('iouring-transport') as typeof whole;
  t.is(required, whole);
  t.is(required.IouringUnavailableError, IouringUnavailableError);
  t.deepEqual(Object.keys(named).sort(), [...Object.keys(required), 'default'].sort());
});

test('an answer without a reason is an available one, and the other way round', (t) => {
  const answer = support();
  t.is(answer.reason === undefined, answer.available && answer.backend === 'uring');
  t.true(answer.errno === undefined || answer.errno < 0);
  t.notThrows(() => JSON.stringify(answer));
});

test('IOURING_TRANSPORT=core forces core', (t) => {
  const { stdout, stderr } = evaluate(
    `import { support } from 'iouring-transport'; process.stdout.write(JSON.stringify(support()));`,
    { IOURING_TRANSPORT: 'core' },
  );
  const answer = JSON.parse(stdout) as ReturnType<typeof support>;
  t.is(answer.backend, 'core');
  if (answer.available) t.is(answer.reason, 'ERR_IOURING_FORCED_CORE');
  t.is(stderr, '');
});

test('another value of IOURING_TRANSPORT is refused', (t) => {
  const { stdout } = evaluate(
    `import { support } from 'iouring-transport'; try { support() } catch (error) { process.stdout.write(error.code + error.message); }`,
    { IOURING_TRANSPORT: 'epoll' },
  );
  t.regex(stdout, /^ERR_INVALID_ARG_VALUE.*IOURING_TRANSPORT.*'epoll'/);
});

test('the error for a demand that cannot be met says what stands in the way', (t) => {
  const error = new IouringUnavailableError('ERR_IOURING_NO_BINARY', 'it is not installed');
  t.is(error.code, 'ERR_IOURING_UNAVAILABLE');
  t.is(error.reason, 'ERR_IOURING_NO_BINARY');
  t.is(error.errno, undefined);
  t.regex(error.message, /^io_uring is not available: it is not installed \[ERR_IOURING_NO_BINARY\]$/);
  t.is(new IouringUnavailableError('ERR_IOURING_REFUSED_SECCOMP', 'it is forbidden', -1).errno, -1);
});

test('in a start-up snapshot is core: nothing native can be', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'snapshot-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const program = path.join(folder, 'program.js');
  writeFileSync(
    program,
    `const load = require('node:module').createRequire(process.cwd() + '/');
    load('iouring-transport/net');
    const { backend, reason } = load('iouring-transport').support();
    console.log(backend, reason);
    process.exit();`,
  );
  const { IOURING_TRANSPORT: _, ...env } = process.env;
  const flags = ['--snapshot-blob', path.join(folder, 'blob'), '--build-snapshot', program];
  const { stdout } = spawnSync(process.execPath, flags, { env, encoding: 'utf8' });
  t.is(stdout, 'core ERR_IOURING_BINARY_NOT_LOADABLE\n');
});
