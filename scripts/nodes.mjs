/**
 * `npm run test:nodes`: the specs on other versions of Node than the one that runs this, and the type tests against their typings. The binding is built once: its interface is the same for all.
 *
 *     npm run test:nodes                               the newest 20, 22, 24 and 26, one after the other
 *     npm run test:nodes -- 22,26 __test__/net/*.ts    these versions; further arguments go to ava
 *     npm run test:nodes -- in-turn                    one of 22, 24 and 26: another after each commit; without what does not depend on it
 *     npm run test:nodes -- typings                    the type tests alone, against each version's @types/node
 *
 * Each is npm's package `node`, kept in the user's folder of caches. A version that cannot be fetched is left out, with a word.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { cacheFolder, install, MINUTE } from './cached.mjs';
import { inRoot, root, say } from './lib.mjs';
import { testTypings } from './typings.mjs';

const ALL = ['20', '22', '24', '26'];
const IN_TURN = ALL.slice(1);
/** 25 has typings that lie between those of its neighbours, and no Node that anybody is to run any more. */
const TYPINGS = ['20', '22', '24', '25', '26'];

/**
 * What does not depend on the version is left out in turn: papers, packages and programs that stand on the facades; and the transport, whose cases
 * differ by what the kernel does. A run on all versions has them.
 */
const ONCE = ['bench', 'deploy', 'examples', 'fuzz', 'packages', 'real', 'scripts', 'service', 'transport', 'workflows'];
const IN_TURN_SPECS = ['__test__/**/*.spec.ts', ...ONCE.flatMap((name) => [`!__test__/${name}/**`, `!__test__/${name}.spec.ts`])];

const [first, ...rest] = process.argv.slice(2);
const isChoice = first !== undefined && /^(?:typings|in-turn|\d[\d,]*)$/.test(first);
const args = isChoice ? rest : process.argv.slice(2);
const specs = first === 'in-turn' && args.length === 0 ? IN_TURN_SPECS : args;
const total = { passed: 0, failed: 0, skipped: 0 };
if (first === 'typings') for (const version of TYPINGS) add(await testTypings(version));
else for (const version of versions(isChoice ? first : ALL.join(','))) await testOn(version);
const left = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed${left}\n`);
process.exitCode = total.failed > 0 ? 1 : 0;

function versions(choice) {
  if (choice !== 'in-turn') return choice.split(',').filter((version) => version !== '');
  const { stdout } = spawnSync('git', ['rev-list', '--count', 'HEAD'], { cwd: root, encoding: 'utf8' });
  return [IN_TURN[Number(stdout) % IN_TURN.length]];
}

async function testOn(version) {
  const node = fetchNode(version);
  if (node === undefined) {
    say(`Node ${version}: SKIPPED, npm's package node@${version} cannot be had here`);
    total.skipped++;
    return;
  }
  say(`Node ${version}: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
  add(await runSpecs(node));
  // Some specs alone: whoever asks for them means these.
  if (args.length === 0) add(await testTypings(version));
}

/** Runs the specs on a Node. @returns the numbers that it tells; one failure where it tells none */
function runSpecs(node) {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'];
    const child = spawn(node, [inRoot('scripts', 'test.mjs'), 'ava', ...specs], { cwd: root, stdio });
    let told = { passed: 0, failed: 1, skipped: 0 };
    child.on('message', (counts) => (told = counts));
    child.on('error', reject);
    child.on('close', () => resolve(told));
  });
}

/** Path of the newest Node of a version; undefined where it cannot be fetched. */
function fetchNode(version) {
  const folder = cacheFolder('nodes', version);
  const node = path.join(folder, 'node_modules', 'node', 'bin', 'node');
  const runs = () => existsSync(node) && spawnSync(node, ['--version'], { timeout: MINUTE }).status === 0;
  return install(folder, `node@${version}`, runs) ? node : undefined;
}

function add({ passed, failed, skipped }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}
