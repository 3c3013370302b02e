/**
 * The packages as a release publishes them, made from what is built here: the root package with all binaries' packages as optional dependencies, and the one for
 * this machine.
 *
 *     node scripts/pack.mjs FOLDER            leaves the tarballs there
 *     node scripts/pack.mjs FOLDER --all      fails where the binary of a platform is missing, as a release must
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { fail, inRoot } from './lib.mjs';

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** The manifests of the binaries' packages. */
export function platformManifests() {
  return readdirSync(inRoot('npm')).map((name) => readJson(inRoot('npm', name, 'package.json')));
}

/**
 * Packs what is built here into a folder.
 *
 * @param {string} folder
 * @param {{ version?: string, placeholders?: boolean }} [options] `version` instead of the packages' own; `placeholders`: also the packages of binaries that were
 * not built, with an empty file each
 * @returns {{ manifest: object, built: boolean, tarball: string, files: string[], size: number, unpackedSize: number }[]} the root package first
 */
export function packAll(folder, { version, placeholders = false } = {}) {
  const stage = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-stage-'));
  try {
    mkdirSync(folder, { recursive: true });
    const platforms = platformManifests();
    const root = readJson(inRoot('package.json'));
    const ours = version ?? root.version;
    // As `napi prepublish` does.
    root.optionalDependencies = Object.fromEntries(platforms.map(({ name }) => [name, ours]));
    const from = stageFolder(stage, { ...root, version: ours }, '.', [
      ...root.files.filter((name) => !name.startsWith('!')),
      'README.md',
      'LICENSE',
    ]);
    const staged = [{ from, built: true }];
    for (const manifest of platforms) {
      const binary = inRoot(manifest.main);
      const built = existsSync(binary);
      if (!built && !placeholders) continue;
      const source = path.join('npm', manifest.name.replace('iouring-transport-', ''));
      const to = stageFolder(stage, { ...manifest, version: ours }, source, ['README.md']);
      if (built) copyFileSync(binary, path.join(to, manifest.main));
      else writeFileSync(path.join(to, manifest.main), '');
      staged.push({ from: to, built });
    }
    return staged.map(({ from, built }) => ({ ...packFolder(from, folder), built }));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function stageFolder(stage, manifest, source, names) {
  const to = path.join(stage, manifest.name);
  mkdirSync(to);
  writeFileSync(path.join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const name of names) cpSync(inRoot(source, name), path.join(to, name), { recursive: true });
  return to;
}

function packFolder(from, folder) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout, stderr, status } = spawnSync('npm', args, { cwd: from, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm pack failed in ${from}: ${stderr}`);
  const [{ filename, files, size, unpackedSize }] = JSON.parse(stdout);
  const manifest = readJson(path.join(from, 'package.json'));
  const names = files.map(({ path: name }) => name).sort();
  return { manifest, tarball: path.join(folder, filename), files: names, size, unpackedSize };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, all] = process.argv.slice(2);
  if (folder === undefined) fail('Into which folder?');
  const missing = platformManifests().filter(({ main }) => !existsSync(inRoot(main)));
  if (all === '--all' && missing.length > 0) fail(`Not built: ${missing.map(({ main }) => main).join(', ')}.`);
  for (const { tarball, size, files } of packAll(path.resolve(folder)))
    process.stdout.write(`${tarball}: ${size} bytes, ${files.length} files\n`);
}
