// The examples of the transport's pages run, and print what they say they do.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import test from 'ava';

const PAGES = ['docs/transport.md', ...readdirSync('docs/transport').map((page) => `docs/transport/${page}`)];
/** A line of output. */
const PROMISE = /\/\/ → (.*)$/gm;
/** Within the package, whose examples import it by its name. */
const PLACE = 'target';

for (const page of PAGES) {
  // What promises nothing is a fragment.
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```js\n(.*?)^```$/gms)]
    .map(([, block]) => block)
    .filter((block) => block.match(PROMISE) !== null || block.startsWith('//'));
  if (blocks.length === 0) continue;

  test(`the example of ${page}`, async (t) => {
    mkdirSync(PLACE, { recursive: true });
    const folder = mkdtempSync(path.join(PLACE, 'example-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    // A block names its file in its first line, unless it is the only one.
    for (const block of blocks) writeFileSync(path.join(folder, /^\/\/ (\w+\.mjs)\n/.exec(block)?.[1] ?? 'main.mjs'), block);
    const program = spawn(process.execPath, [path.join(folder, 'main.mjs')], { timeout: 20_000 });
    const [output, complaints] = await Promise.all([text(program.stdout), text(program.stderr), once(program, 'close')]);
    const promised = blocks.flatMap((block) => [...block.matchAll(PROMISE)].map(([, line]) => `${line}\n`));
    t.is(output, promised.join(''), complaints);
    t.is(program.exitCode, 0, complaints);
  });
}
