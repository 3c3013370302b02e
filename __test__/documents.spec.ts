// What the documents promise: links that lead somewhere, commands that are there, examples that run.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import ts from 'typescript';

const REPOSITORY = 'https://github.com/iouring-transport/iouring-transport';
const read = (file: string) => readFileSync(file, 'utf8');
const { scripts, homepage, repository, bugs } = JSON.parse(read('package.json')) as {
  scripts: Record<string, string>;
  homepage: string;
  repository: { url: string };
  bugs: string;
};
const readme = read('README.md');
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...['bench', 'soak', 'peers', 'examples', 'examples/service', 'deploy', 'deploy/seccomp'].map(
    (folder) => `${folder}/README.md`,
  ),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

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
  for (const file of DOCUMENTS) {
    for (const link of linksOf(read(file))) {
      if (!/^[a-z]+:/.test(link)) t.true(leadsSomewhere(link, file), `${file}: ${link}`);
    }
  }
});

test('every command of the documents is there: scripts, programs, folders of specs', (t) => {
  for (const file of DOCUMENTS) {
    // In code alone: prose has "npm takes it".
    const code = [...read(file).matchAll(/```(?:sh|text)?\n(.*?)```|`([^`\n]+)`/gs)].map(([, block, inline]) => block ?? inline);
    for (const text of code) {
      const said = (what: string) => `${file}: ${what}`;
      for (const [all, name] of text.matchAll(/^npm (?:run )?([\w:]+)/gm)) {
        t.true(name in scripts || /^npm (?:install|ci|publish|pack|audit)/.test(all), said(all));
      }
      for (const [all, program] of text.matchAll(/\bnode ((?:[\w.-]+\/)+[\w.-]+\.[cm]?js)\b/g)) {
        t.true(existsSync(program) || program.startsWith('node_modules/iouring-transport/dist/'), said(all));
      }
      for (const [all] of text.matchAll(/__test__\/[\w/.-]*\w/g)) t.true(existsSync(all), said(all));
    }
  }
});

test('code of the documents that is not run compiles, but for what a reader is to fill in', (t) => {
  // The transport's pages have a spec of their own that runs them.
  const blocks = DOCUMENTS.filter((file) => !file.startsWith('docs/transport')).flatMap((file) =>
    [...read(file).matchAll(/^```js\n(?!\/\/ echo\.mjs)(.*?)^```$/gms)].map(([, code]) => ({ name: file, code })),
  );
  t.true(blocks.length > 8);
  const wrong = [
    { name: 'a name', code: "import { nothing } from 'iouring-transport';" },
    { name: 'an option', code: 'net.connect({ port, transport: { synCounts: 3 } });' },
  ];
  t.deepEqual(
    complaints([...blocks, ...wrong]).map(([name]) => name),
    ['a name', 'an option'],
  );
});

/** What a fragment is about, where it imports nothing. */
const PREFACE = `import net from 'iouring-transport/net'; import dgram from 'iouring-transport/dgram';
import { alignedBuffer, constants, open } from 'iouring-transport/fs';\n`;
/** A name that is nowhere declared: a reader has it. */
const UNKNOWN_NAME = new Set([2304, 18004]);

/** What the compiler says of blocks: their names, and the complaint. */
function complaints(blocks: ReadonlyArray<{ readonly name: string; readonly code: string }>) {
  const files = new Map(
    blocks.map(({ name, code }, index) => [
      path.resolve('__test__', `block-${index}.mts`),
      { name, code: `${code.includes('import ') ? '' : PREFACE}${code}\nexport {};\n` },
    ]),
  );
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.esnext.d.ts'],
    types: ['node'],
    ...{ noEmit: true, strict: false, skipLibCheck: true },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.getSourceFile = (name, version, ...rest) => {
    const file = files.get(name);
    return file === undefined ? getSourceFile(name, version, ...rest) : ts.createSourceFile(name, file.code, version);
  };
  return ts
    .getPreEmitDiagnostics(ts.createProgram([...files.keys()], options, host))
    .filter(({ code }) => !UNKNOWN_NAME.has(code))
    .map(({ file, messageText }) => [files.get(file?.fileName ?? '')?.name, ts.flattenDiagnosticMessageText(messageText, '\n')]);
}

test('the example of the README runs', (t) => {
  const example = readme.match(/```js\n(\/\/ echo\.mjs\n.*?)```/su)![1];
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', example], { encoding: 'utf8' });
  t.is(stdout, 'hello, ring\n', stderr);
});
