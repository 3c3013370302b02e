// The native class, misused by threads that are ended in the middle of it: the process lives, what others do is not touched, and no descriptor is left.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';
import { needs } from '../_needs.ts';
import { directory, onRing } from '../fs/_helpers.ts';
import { SECONDS, SEED } from './_calls.ts';

needs(
  'io_uring',
  onRing,
  test,
)('random words and calls', (t) => {
  const seconds = Math.max(3, SECONDS);
  t.timeout(1000 * (seconds + 100));
  const script = new URL('_native.ts', import.meta.url).pathname;
  // No file becomes so long that it fills a disk.
  const { status, signal, stdout, stderr } = spawnSync(
    'sh',
    [
      '-c',
      'ulimit -f 65536; exec "$0" "$@"',
      process.execPath,
      ...process.execArgv.filter((argument) => argument.startsWith('--import=')),
      script,
      directory(t),
      String(SEED),
      String(seconds),
    ],
    { encoding: 'utf8', timeout: 1000 * (seconds + 90), killSignal: 'SIGKILL', cwd: new URL('../..', import.meta.url) },
  );
  t.log(stdout.trim());
  t.is(status, 0, `${signal ?? ''} ${stderr}`);
});
