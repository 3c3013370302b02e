/**
 * Builds the package: `node scripts/build.mjs [native|ts] [further arguments for napi build]`.
 *
 * Results appear in one step (a rename), so that a process that runs an older build is not disturbed.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { bin, fail, fingerprint, has, inRoot, isStamped, mustRun, say, stamp } from './lib.mjs';

const NATIVE_INPUTS = ['Cargo.toml', 'Cargo.lock', 'crates/reactor', 'crates/binding'];
const TS_INPUTS = [
  'ts',
  'tsconfig.json',
  'tsdown.config.ts',
  'scripts/core-imports.mjs',
  'scripts/esm-faces.mjs',
  'scripts/namespace-types.mjs',
  'scripts/plain-exports.mjs',
  'package-lock.json',
];

/** The local binary, where it has been built. */
function nativeBinary() {
  return readdirSync(inRoot('.')).find((name) => name.startsWith('iouring-transport.') && name.endsWith('.node'));
}

/** Builds the native binding for this machine and generates the protocol from it. Elsewhere than on Linux there is none. */
export function buildNative({ ifStale = false, args = [] } = {}) {
  if (process.platform !== 'linux') return;
  const print = fingerprint(NATIVE_INPUTS, `${process.arch} ${args.join(' ')}`);
  if (ifStale && nativeBinary() !== undefined && isStamped('native', print)) return;
  if (!has('cargo')) fail('Building the native binding needs Rust (cargo, 1.88 or newer): see https://rustup.rs');

  say('Building the native binding (cargo, release)');
  const output = inRoot('target', 'napi');
  mkdirSync(output, { recursive: true });
  const profile = args.some((argument) => argument === '--debug' || argument.startsWith('--profile')) ? [] : ['--release'];
  mustRun(process.execPath, [
    ...[bin('@napi-rs/cli', 'napi'), 'build', '--platform', '--no-js', '--dts', 'binding.d.ts'],
    ...['--manifest-path', 'crates/binding/Cargo.toml', '--package-json-path', 'package.json'],
    ...['--output-dir', path.relative(inRoot('.'), output), ...profile, ...args.filter((argument) => argument !== '--debug')],
  ]);
  for (const name of readdirSync(output)) {
    if (name === 'binding.d.ts' || name.endsWith('.node')) renameSync(path.join(output, name), inRoot(name));
  }
  // The generator asks the binary for numbers, which one built for another machine cannot answer. The committed file serves there.
  if (!args.includes('--target')) mustRun(process.execPath, [inRoot('scripts', 'generate-protocol.mjs')]);
  stamp('native', print);
}

/** Bundles the TypeScript into `dist`. */
export async function buildTypeScript({ ifStale = false } = {}) {
  const print = fingerprint(TS_INPUTS);
  if (ifStale && existsSync(inRoot('dist')) && isStamped('ts', print)) return;

  say('Bundling the TypeScript (tsdown)');
  const [next, last, dist] = ['.dist-next', '.dist-last', 'dist'].map((name) => inRoot(name));
  // Not its command, which warns about Node 20 on every run.
  const { build } = await import('tsdown');
  await build({ cwd: inRoot('.'), outDir: next });
  rmSync(last, { recursive: true, force: true });
  if (existsSync(dist)) renameSync(dist, last);
  renameSync(next, dist);
  rmSync(last, { recursive: true, force: true });
  stamp('ts', print);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, ...args] = process.argv.slice(2);
  if (what !== undefined && what !== 'native' && what !== 'ts') fail(`Unknown part '${what}': native or ts.`);
  if (what !== 'ts') buildNative({ args });
  if (what !== 'native') await buildTypeScript();
}
