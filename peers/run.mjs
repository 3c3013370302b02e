/**
 * `npm run peers`: other packages' tests, each over Node's core and over `iouring-transport/register`, and what differs. See README.md.
 *
 *     npm run peers                          all of packages.mjs
 *     npm run peers -- --only ws,fastify     some
 *     npm run peers -- --node PATH           another Node
 *     npm run peers -- --folder PATH         where they are installed and left (default: in the folder for temporary files)
 */
import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { fail, inRoot, run, say } from '../scripts/lib.mjs';
import { packages } from './packages.mjs';
import { Results } from './results.mjs';

/** Milliseconds that one package's tests may take. */
const LIMIT = 600_000;

/** A test that fails over ours alone has so many further chances before it counts. */
const AGAIN = 2;

const text = { type: 'string' };
const { values: options } = parseArgs({
  options: { only: text, node: { ...text, default: process.execPath }, folder: text },
});
const folder = path.resolve(options.folder ?? path.join(os.tmpdir(), 'iouring-transport-peers'));
const chosen = packages.filter(({ name }) => options.only === undefined || options.only.split(',').includes(name));
if (chosen.length === 0) fail(`No such package: ${options.only}.`);
if (!existsSync(inRoot('dist', 'register.mjs'))) fail('Not built: run `npm run build` first.');

const ARMS = {
  core: {},
  ours: {
    // Where the ring is refused it is to fail, not to be core's.
    IOURING_TRANSPORT: 'uring',
    NODE_OPTIONS: `--import ${pathToFileURL(inRoot('dist', 'register.mjs')).href}`,
  },
};

/** npm's child, and every other that is no test's, runs on core. */
const npm = (args, cwd) =>
  run('npm', [...args, '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd });

/** Installs a package and what its tests want, unless that has been done. @returns its folder. */
function install({ name, version, tests, with: others = [] }) {
  const home = path.join(folder, `${name.replaceAll('/', '+')}@${version}`);
  const done = path.join(home, 'installed.json');
  const wanted = JSON.stringify([`${name}@${version}`, ...others]);
  const own = path.join(home, 'package');
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return tests ? own : home;
  mkdirSync(home, { recursive: true });
  writeFileSync(path.join(home, 'package.json'), '{ "private": true }');
  if (npm(['install', `${name}@${version}`, ...others], home) !== 0) throw new Error(`${name} could not be installed.`);
  if (tests) {
    // Its own tests want its devDependencies, which npm installs for the package at the root alone.
    cpSync(path.join(home, 'node_modules', name), own, { recursive: true });
    if (npm(['install'], own) !== 0) throw new Error(`What ${name} is tested with could not be installed.`);
  }
  writeFileSync(done, wanted);
  return tests ? own : home;
}

const majorOf = (folder) => Number.parseInt(JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).version, 10);

/** Arguments for Node that run the tests of a package and print TAP. */
function command(peer, home) {
  if (!peer.tests) {
    const suite = `${peer.name.replace(/^@.*\//, '')}.test.mjs`;
    for (const file of [suite, '_help.mjs']) copyFileSync(inRoot('peers', 'suites', file), path.join(home, file));
    return ['--test', '--test-timeout=60000', '--test-reporter=tap', suite];
  }
  const files = readdirSync(home, { recursive: true })
    .filter((file) => !file.startsWith('node_modules') && peer.tests.test(file) && !peer.without?.test(file))
    .sort();
  const module = (name) => path.join(home, 'node_modules', name);
  switch (peer.runner) {
    case 'mocha':
      // Old ones end the process by themselves and do not know that option.
      return [module('mocha/bin/_mocha'), '--reporter', 'tap', ...(majorOf(module('mocha')) >= 4 ? ['--exit'] : []), ...files];
    case 'tape':
      return [module('tape/bin/tape'), ...files];
    default:
      return ['--test', '--test-reporter=tap', ...files];
  }
}

/** Runs a package's tests once over one arm. */
function test(peer, home, arm) {
  const env = { ...process.env, ...ARMS[arm], CI: '1' };
  if (arm === 'core') delete env.IOURING_TRANSPORT;
  const results = new Results();
  const child = spawn(options.node, command(peer, home), { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const output = [];
  child.stdout.on('data', (chunk) => results.write(chunk));
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  const timer = setTimeout(() => {
    results.hung = true;
    // The whole group: a runner's children would go on without it.
    process.kill(-child.pid, 'SIGKILL');
  }, LIMIT);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      results.end(status ?? signal);
      writeFileSync(path.join(home, `${arm}.log`), Buffer.concat(output));
      resolve(results);
    });
  });
}

/** What passes over core and not over ours, of one run of each, until there is nothing or the chances are used up. */
async function compare(peer) {
  const home = install(peer);
  const core = await test(peer, home, 'core');
  const ours = await test(peer, home, 'ours');
  let missing = core.passedBesides(ours);
  for (let chance = 0; chance < AGAIN && missing.length > 0; chance++) {
    const again = await test(peer, home, 'ours');
    missing = missing.filter((name) => !again.passed(name));
  }
  // What core itself passes at times only says nothing about us.
  if (missing.length > 0) {
    const again = await test(peer, home, 'core');
    missing = missing.filter((name) => again.passed(name));
  }
  const unexplained = missing.filter((name) => peer.differs?.[name] === undefined);
  return { peer, core, ours, missing, unexplained };
}

mkdirSync(folder, { recursive: true });
const table = new Table({
  head: ['package', 'tests', 'core', 'ours', 'differs', 'unexplained'],
  style: { head: [], border: [] },
});
let bad = 0;
for (const peer of chosen) {
  say(`${peer.name} ${peer.version}`);
  let outcome;
  try {
    outcome = await compare(peer);
  } catch (error) {
    bad++;
    process.stdout.write(`  ${error.message}\n`);
    table.push([peer.name, '', '', '', '', 'not run']);
    continue;
  }
  const { core, ours, missing, unexplained } = outcome;
  // A suite of ours that fails over core, and one that has nothing to show, is broken.
  const broken = core.count === 0 || (!peer.tests && core.failures > 0);
  if (unexplained.length > 0 || broken || (ours.hung && !core.hung)) bad++;
  for (const name of missing) process.stdout.write(`  ✘ ${name}${peer.differs?.[name] ? ` (${peer.differs[name]})` : ''}\n`);
  process.stdout.write(`  ${ours} of ${core} that pass over core\n`);
  table.push([
    `${peer.name} ${peer.version}`,
    peer.tests ? 'its own' : 'ours',
    `${core}`,
    `${ours}`,
    missing.length,
    unexplained.length,
  ]);
}
process.stdout.write(`\n${table}\n\n${chosen.length - bad} packages as over core, ${bad} not\n`);
process.exitCode = bad > 0 ? 1 : 0;
