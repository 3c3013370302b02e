// The packages as a release makes them, installed into empty projects. The whole of it, with bundlers and other package managers, is `npm run test:install`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import process from 'node:process';
import test from 'ava';

test('installed by npm without scripts, the package works from CommonJS and from ES modules', async (t) => {
  t.timeout(300_000);
  const child = spawn(process.execPath, ['scripts/test-install.mjs', 'CommonJS, and the time', 'ES modules, and what'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  t.is(status, 0, output);
  t.regex(output, /^2 passed, 0 failed$/m);
});
