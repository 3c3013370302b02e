// Core's names of header fields are V8's own keys for whoever loads our http2, before garbage is collected twice: see ts/http2/core.ts.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What the program loads before it comes to ask is more than two collections of young garbage, as in most programs. */
const REPORT = `
  const collect = () => globalThis.gc({ type: 'minor' });
  collect();
  collect();
  const names = Object.values(http2.constants).filter((constant) => typeof constant === 'string');
  for (const name of names) ({})[name];
  collect();
  const strange = Object.values(http2.constants).filter((constant) => typeof constant === 'string' && !%IsInternalizedString(constant));
  console.log(JSON.stringify({ names: names.length, strange }));
`;

const LOADS = {
  'by import': ['--input-type=module', `import http2 from 'iouring-transport/http2';`],
  'by import, beside core': ['--input-type=module', `import 'node:http2'; import http2 from 'iouring-transport/http2';`],
  'by require()': ['--input-type=commonjs', `const http2 = require('iouring-transport/http2');`],
};

for (const [way, [type, load]] of Object.entries(LOADS)) {
  test(`names of header fields are keys, loaded ${way}`, (t) => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--expose-gc', '--allow-natives-syntax', type, '--eval', load + REPORT],
      { cwd: ROOT, encoding: 'utf8', timeout: 50_000, env: { ...process.env, IOURING_TRANSPORT: 'uring' } },
    );
    t.is(status, 0, stderr);
    const { names, strange } = JSON.parse(stdout) as { names: number; strange: string[] };
    t.true(names > 50);
    t.deepEqual(strange, []);
  });
}
