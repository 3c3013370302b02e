/**
 * The type tests against core's typings of another version of Node, as who installs this package has them: without `skipLibCheck`, from a folder that has
 * the package, `@types/node` of that version, and nothing else of ours.
 */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { cacheFolder, install } from './cached.mjs';
import { bin, inRoot, runCapturing, say } from './lib.mjs';

/** @returns the numbers of what passed, failed and was left out: one of them is 1 */
export async function testTypings(version) {
  const folder = cacheFolder('typings', version);
  const manifest = path.join(folder, 'node_modules', '@types', 'node', 'package.json');
  if (!install(folder, `@types/node@${version}`, () => existsSync(manifest))) {
    say(`Typings of Node ${version}: SKIPPED, npm's package @types/node@${version} cannot be had here`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  say(`Typings of Node ${version}: @types/node ${JSON.parse(readFileSync(manifest, 'utf8')).version}`);
  layOut(folder);
  const { status } = await runCapturing(process.execPath, [bin('typescript', 'tsc'), '--project', folder, '--pretty', 'false']);
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

function layOut(folder) {
  const anew = (from, ...to) => {
    const target = path.join(folder, ...to);
    rmSync(target, { recursive: true, force: true });
    cpSync(from, target, { recursive: true });
  };
  anew(inRoot('__test__', 'types'), 'types');
  anew(inRoot('dist'), 'node_modules', 'iouring-transport', 'dist');
  anew(inRoot('package.json'), 'node_modules', 'iouring-transport', 'package.json');
  anew(inRoot('node_modules', 'expect-type'), 'node_modules', 'expect-type');
  const ours = JSON.parse(readFileSync(inRoot('__test__', 'types', 'tsconfig.json'), 'utf8'));
  const config = { ...ours, extends: inRoot('tsconfig.json') };
  config.compilerOptions.typeRoots = [path.join(folder, 'node_modules', '@types')];
  writeFileSync(path.join(folder, 'types', 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ extends: './types/tsconfig.json', include: ['types'] }));
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
}
