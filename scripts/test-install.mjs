/**
 * `npm run test:install`: packs the packages as a release does, installs them from a registry of its own into empty projects, with no scripts and no Rust, and uses
 * them in the ways that people do. Tools (bundlers, test runners, other package managers) are fetched from the registry that npm is configured with.
 *
 *     npm run test:install                      all
 *     npm run test:install -- --quick           what needs nothing from elsewhere
 *     npm run test:install -- webpack Jest      those whose names have one of these words
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { scenarios } from './install/scenarios.mjs';
import { startRegistry } from './install/registry.mjs';
import { inRoot } from './lib.mjs';
import { packAll } from './pack.mjs';

const OTHER_VERSION = '0.0.1-other';

const args = process.argv.slice(2);
const words = args.filter((argument) => !argument.startsWith('--'));
const wanted = Object.entries(scenarios).filter(
  ([name, { quick }]) =>
    (!args.includes('--quick') || quick) &&
    (words.length === 0 || words.some((word) => name.toLowerCase().includes(word.toLowerCase()))),
);

// Without the variable of whoever runs this: the package is to decide for itself.
delete process.env.IOURING_TRANSPORT;
const scratch = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-install-'));
chmodSync(scratch, 0o755);
const packed = packAll(path.join(scratch, 'tarballs'), { placeholders: true });
const others = packAll(path.join(scratch, 'tarballs'), { version: OTHER_VERSION, placeholders: true });
const registry = await startRegistry([...packed, ...others]);
const context = {
  scratch,
  registry: registry.url,
  otherVersion: OTHER_VERSION,
  packages: packed.filter(({ built, manifest }) => built && isForHere(manifest)).map(({ manifest }) => manifest.name),
  expected: answerHere(),
};
let failed = 0;
try {
  for (const [name, scenario] of wanted) {
    try {
      const note = await scenario(context);
      process.stdout.write(`ok      ${name}${note === undefined ? '' : ` (${note})`}\n`);
    } catch (error) {
      failed++;
      process.stdout.write(`FAILED  ${name}\n${String(error.stack).replace(/^/gm, '        ')}\n`);
    }
  }
} finally {
  registry.close();
  if (process.env.KEEP === undefined) rmSync(scratch, { recursive: true, force: true });
}
process.stdout.write(`\n${wanted.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;

/** What the package says in this checkout, and is to say wherever its binary is found. */
function answerHere() {
  const program = `const { backend, reason } = require('iouring-transport').support(); console.log(JSON.stringify({ backend, reason }));`;
  const { stdout } = spawnSync(process.execPath, ['--eval', program], { cwd: inRoot('.'), encoding: 'utf8' });
  const { backend, reason } = JSON.parse(stdout);
  return { backend, reason };
}

/** Whether npm installs a package on this machine. */
function isForHere({ cpu = [process.arch], libc = [libcHere()] }) {
  return cpu.includes(process.arch) && libc.includes(libcHere());
}

function libcHere() {
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}
