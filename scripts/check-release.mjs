/**
 * Whether a tag may be released: `package.json`, the packages of binaries and `Cargo.toml` have its version, and the changelog a section of its own with something in it.
 *
 *     node scripts/check-release.mjs v1.2.3
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { fail, inRoot } from './lib.mjs';
import { platformManifests } from './pack.mjs';

/**
 * What stands against it, in words.
 *
 * @param {string} tag
 * @param {{ versions: Record<string, string>, changelog: string }} state the versions by the file they stand in
 * @returns {string[]}
 */
export function faultsOf(tag, { versions, changelog }) {
  const version = /^v(\d+\.\d+\.\d+(?:-[\w.]+)?)$/.exec(tag)?.[1];
  if (version === undefined) return [`${tag} is no tag of a release: v1.2.3`];
  const faults = Object.entries(versions).flatMap(([file, found]) => (found === version ? [] : [`${file} has version ${found}`]));
  const heading = new RegExp(`^## \\[?${version.replaceAll('.', '\\.')}\\]? - \\d{4}-\\d{2}-\\d{2}$`);
  const lines = changelog.split('\n');
  const start = lines.findIndex((line) => heading.test(line));
  if (start < 0) return [...faults, `CHANGELOG.md has no section '## ${version} - YYYY-MM-DD'`];
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith('## '));
  const section = lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
  return section.some((line) => line.startsWith('- '))
    ? faults
    : [...faults, `the section of ${version} in CHANGELOG.md is empty`];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [tag] = process.argv.slice(2);
  if (tag === undefined) fail('Which tag?');
  const read = (file) => readFileSync(inRoot(file), 'utf8');
  const versions = {
    'package.json': JSON.parse(read('package.json')).version,
    'Cargo.toml': /^\[workspace\.package\]\nversion = "(.+)"$/m.exec(read('Cargo.toml'))?.[1],
    ...Object.fromEntries(platformManifests().map(({ name, version }) => [`npm/${name}`, version])),
  };
  const faults = faultsOf(tag, { versions, changelog: read('CHANGELOG.md') });
  if (faults.length > 0) fail(`${tag} cannot be released:\n${faults.map((fault) => `- ${fault}`).join('\n')}`);
}
