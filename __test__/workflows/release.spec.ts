// What stands between a tag and a release: scripts/check-release.mjs, and that what is published has been built and tried.
import { readFileSync, readdirSync } from 'node:fs';
import test from 'ava';
import YAML from 'yaml';

/** The scripts are JavaScript: they run before anything is built. */
const script = (name: string): Promise<unknown> => import(`../../scripts/${name}.mjs`);
const { faultsOf } = (await script('check-release')) as {
  faultsOf(tag: string, state: { versions: Record<string, string>; changelog: string }): string[];
};

const versions = { 'package.json': '1.2.3', 'Cargo.toml': '1.2.3' };
const changelog =
  '# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.3 - 2026-11-27\n\n### Fixed\n\n- a fault\n\n## 1.2.2 - 2026-11-01\n\n- older\n';

test('a tag of the version that everything has, with a section in the changelog, is one', (t) => {
  t.deepEqual(faultsOf('v1.2.3', { versions, changelog }), []);
});

test('anything else is told of', (t) => {
  const first = (tag: string, state: object) => faultsOf(tag, { versions, changelog, ...state });
  t.regex(first('1.2.3', {})[0], /no tag of a release/);
  t.regex(first('v1.2', {})[0], /no tag of a release/);
  t.deepEqual(first('v1.2.3', { versions: { ...versions, 'Cargo.toml': '1.2.2' } }), ['Cargo.toml has version 1.2.2']);
  t.regex(first('v1.2.3', { changelog: changelog.replace(' - 2026-11-27', '') })[0], /no section '## 1\.2\.3/);
  t.regex(first('v1.2.3', { changelog: changelog.replace('- a fault', '') })[0], /is empty/);
  t.regex(first('v1.2.3', { changelog: changelog.replace('1.2.3', '1x2y3') })[0], /no section/);
});

test('a binary is built and tried for every package of one, and for no other', async (t) => {
  const { TARGETS } = (await script('cross')) as { TARGETS: Readonly<Record<string, { readonly name: string }>> };
  const { jobs } = YAML.parse(readFileSync('.github/workflows/release.yml', 'utf8')) as {
    jobs: Record<'build' | 'try' | 'emulated', { strategy: { matrix: { target: string[]; include: { target: string }[] } } }>;
  };
  const { napi } = JSON.parse(readFileSync('package.json', 'utf8')) as { napi: { targets: string[] } };
  const { target: built } = jobs.build.strategy.matrix;
  t.deepEqual(built, napi.targets);
  t.deepEqual(
    [jobs.try, jobs.emulated].flatMap(({ strategy }) => strategy.matrix.include.map(({ target }) => target)),
    built,
  );
  t.deepEqual(built.map((target) => TARGETS[target].name).sort(), readdirSync('npm').sort());
});
