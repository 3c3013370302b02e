// What the documents promise: links that lead somewhere, commands that are there, examples that run.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';

const REPOSITORY = 'https://github.com/iouring-transport/iouring-transport';
const read = (file: string) => readFileSync(file, 'utf8');
const { scripts, homepage, repository, bugs } = JSON.parse(read('package.json')) as {
  scripts: Record<string, string>;
  homepage: string;
  repository: { url: string };
  bugs: string;
};
const readme = read('README.md');

/** Where the links of a document lead. */
function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm)].map(([, inline, reference]) => inline ?? reference);
}

/** The names by which a document's headings are linked to. */
function anchorsOf(file: string): Set<string> {
  const headings = [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Whether a link leads to a file of this repository, and a heading in it. */
function leadsSomewhere(target: string, from: string): boolean {
  const [file, anchor] = target.split('#');
  const there = file === '' ? from : path.join(path.dirname(from), file);
  return existsSync(there) && (anchor === undefined || anchorsOf(there).has(anchor));
}

test('the README is short, and all its links work from a page of the registry', (t) => {
  t.true(readme.split('\n').length - 1 <= 120);
  for (const link of linksOf(readme)) {
    const file = link.match(new RegExp(`^${REPOSITORY}/(?:blob|tree)/main/(.+)$`))?.[1];
    t.true(file !== undefined && leadsSomewhere(file, 'README.md'), link);
  }
  for (const address of [homepage, repository.url, bugs]) t.true(address.includes(REPOSITORY), address);
});

test('links between documents lead to files and headings', (t) => {
  const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
  for (const file of [
    ...pages.map((name) => `docs/${name}`),
    'bench/README.md',
    'deploy/README.md',
    'deploy/seccomp/README.md',
    'examples/service/README.md',
    'SECURITY.md',
    'CONTRIBUTING.md',
  ]) {
    for (const link of linksOf(read(file))) {
      if (!/^[a-z]+:/.test(link)) t.true(leadsSomewhere(link, file), `${file}: ${link}`);
    }
  }
});

test('every command of the README is a script', (t) => {
  const commands = [...readme.matchAll(/npm (?:run )?(demo|test|bench|lint|\w+)\b/g)].map(([, name]) => name);
  for (const name of commands) t.true(name in scripts || name === 'install', name);
});

test('the example of the README runs', (t) => {
  const example = readme.match(/```js\n(\/\/ echo\.mjs\n.*?)```/su)![1];
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', example], { encoding: 'utf8' });
  t.is(stdout, 'hello, ring\n', stderr);
});
