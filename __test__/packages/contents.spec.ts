// What is published: the files of each package, their size, and what the manifests promise.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';

interface Manifest {
  readonly [field: string]: unknown;
  readonly name: string;
  readonly version: string;
  readonly main: string;
  readonly cpu: readonly string[];
  readonly libc: readonly string[];
  readonly scripts?: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

interface Packed {
  readonly manifest: Manifest;
  readonly files: readonly string[];
  readonly size: number;
}

/** The scripts are JavaScript: they run before anything is installed. */
const script = (name: string): Promise<unknown> => import(`../../scripts/${name}.mjs`);
const { faultsOf } = (await script('check-binary')) as {
  faultsOf(file: string, options?: { builtHere: boolean }): readonly string[];
};
const { packAll, platformManifests } = (await script('pack')) as {
  packAll(folder: string): readonly Packed[];
  platformManifests(): readonly Manifest[];
};

/** Bytes. */
const LARGEST_TARBALL = 400 * 1024;
/** npm runs these of a package that is installed. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare'];

const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-contents-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const [root, ...platforms] = packAll(folder);

/** Which files the entry points share is the bundler's affair, and changes with what they import. */
const entries = new Set(JSON.stringify(root.manifest.exports).match(/dist\/[^."]+/g));
const isShared = (file: string) => file.startsWith('dist/') && !entries.has(file.split('.')[0]);

test('the root package has these files, and what they share', (t) => {
  t.snapshot(root.files.filter((file) => !isShared(file)).join('\n'));
  for (const file of root.files.filter(isShared)) t.regex(file, /^dist\/[\w-]+\.(?:[cm]js|d\.[cm]ts)$/);
});

test('the root package is small, for every platform, and runs nothing when it is installed', (t) => {
  const { manifest, size } = root;
  t.true(size <= LARGEST_TARBALL, `${size} bytes`);
  for (const field of ['os', 'cpu', 'libc', 'funding', 'dependencies']) t.false(field in manifest, field);
  for (const name of INSTALL_SCRIPTS) t.false(name in manifest.scripts!, name);
  for (const field of ['repository', 'homepage', 'bugs', 'license', 'engines', 'description']) t.true(field in manifest, field);
});

test('compilers that do not know `exports` find the types of every entry point all the same', (t) => {
  const { exports, typesVersions } = root.manifest as Manifest & Record<string, Record<string, object>>;
  const entryPoints = Object.keys(exports).filter((name) => name.startsWith('./') && !name.endsWith('.json'));
  const expected = entryPoints.map((name) => [name.slice(2), [`./dist/${name.slice(2)}.d.cts`]]);
  t.deepEqual(typesVersions, { '*': Object.fromEntries(expected) });
});

test('the root package asks for every binary of its own version', (t) => {
  const { version, optionalDependencies } = root.manifest;
  t.deepEqual(optionalDependencies, Object.fromEntries(platformManifests().map(({ name }) => [name, version])));
});

test('the packages of binaries are of the root’s version, each for one platform', (t) => {
  for (const manifest of platformManifests()) {
    t.is(manifest.version, root.manifest.version);
    t.deepEqual(manifest.os, ['linux']);
    t.is(manifest.cpu.length, 1);
    t.is(manifest.libc.length, 1);
    t.deepEqual(manifest.files, [manifest.main]);
    for (const name of INSTALL_SCRIPTS) t.false(name in (manifest.scripts ?? {}), name);
  }
});

test('a binary’s package has the binary, its manifest, and a word on what it is', (t) => {
  for (const { files, manifest } of platforms) t.deepEqual(files, ['README.md', manifest.main, 'package.json']);
});

test('the binary built here is stripped, small, and needs the C library alone', (t) => {
  for (const { manifest } of platforms) t.deepEqual(faultsOf(manifest.main, { builtHere: true }), []);
});

test('a binary that asks for a newer glibc than the oldest that is served is refused', (t) => {
  const built = readFileSync(platforms[0].manifest.main, 'latin1');
  const file = path.join(folder, 'other.node');
  const faultsWith = (version: string) => {
    // By its names of versions, each of which is as long as before.
    writeFileSync(file, built.replaceAll(/GLIBC_2\.\d\d\0/g, `GLIBC_${version}\0`), 'latin1');
    return faultsOf(file);
  };
  t.deepEqual(faultsWith('2.28'), []);
  t.deepEqual(faultsWith('2.29'), built.includes('GLIBC_') ? ['it needs glibc 2.29, and is to run with 2.28'] : []);
});

test('a binary that cannot be loaded where pages are as large as its processor has them is refused', (t) => {
  const built = readFileSync(platforms[0].manifest.main);
  // Built for this machine's pages, and said to be for a processor that also has larger ones.
  built.writeUInt16LE(183, 18);
  const segments = Number(built.readBigUInt64LE(32));
  const size = built.readUInt16LE(54);
  const file = path.join(folder, 'pages.node');
  const faultsWith = (pages: bigint) => {
    for (let at = segments; at < segments + size * built.readUInt16LE(56); at += size) built.writeBigUInt64LE(pages, at + 48);
    writeFileSync(file, built);
    return faultsOf(file, { builtHere: true });
  };
  t.deepEqual(faultsWith(65536n), []);
  t.deepEqual(faultsWith(16384n), ['it cannot be loaded where pages are larger than 16384 bytes']);
});
