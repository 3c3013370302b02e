/** The sources stand in layers: one imports what stands below it, never what stands above or beside it. See docs/architecture.md. */
import test from 'ava';
import fs from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', 'ts');

/** From the lowest on: folders, and files that stand in none. What is in one line does not know of each other. */
const LAYERS: readonly (readonly string[])[] = [
  ['define.ts', 'environment.ts'],
  ['reactor/protocol.ts', 'errors'],
  ['native-binding.ts'],
  ['binary.ts'],
  ['native.ts', 'globals.ts', 'timers.ts', 'validate.ts', 'channels.ts', 'exported.ts', 'chunk-memory.ts', 'cluster-worker.ts'],
  ['core/version.ts', 'core/in-place-of.ts', 'core/stand-in.ts'],
  ['reactor'],
  ['support.ts', 'configuration.ts', 'socket-options.ts', 'core'],
  ['socket-backend.ts', 'primary.ts'],
  ['net', 'dgram', 'fs'],
  ['tls', 'http', 'transport'],
  ['https', 'http2'],
  ['index.ts', 'register', 'cli'],
];

/** They say what a socket, a server is put together from, and import types alone, which may stand above them. */
const WHOLES = ['net/internals.ts', 'net/server-internals.ts'];

const IMPORT = /^(?:import|export)\s+(type\s)?(?:[^;']*?\sfrom\s+)?'(\.[^']+)';/gm;

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typesAlone: boolean;
}

const files = fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const imports: Import[] = files.flatMap((from) =>
  [...fs.readFileSync(path.join(root, from), 'utf8').matchAll(IMPORT)].map(([, type, to]) => ({
    from,
    to: path.join(path.dirname(from), to),
    typesAlone: type !== undefined,
  })),
);

/** Where a file stands: by its own name, or by its folder's. */
function place(file: string): { layer: number; name: string } {
  for (const name of [file, path.dirname(file)]) {
    const layer = LAYERS.findIndex((names) => names.includes(name));
    if (layer >= 0) return { layer, name };
  }
  return { layer: -1, name: file };
}

test('every source stands in a layer', (t) => {
  t.true(files.length > 100);
  t.deepEqual(
    files.filter((file) => place(file).layer < 0),
    [],
  );
});

test('none imports what stands above or beside it', (t) => {
  const wrong = imports.filter(({ from, to }) => {
    const [here, there] = [place(from), place(to)];
    return there.layer > here.layer || (there.layer === here.layer && there.name !== here.name);
  });
  t.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

test('none imports itself by way of others', (t) => {
  const remaining = new Set(files);
  const needed = imports.filter(({ from }) => !WHOLES.includes(from));
  // Who needs none of those that remain, or is needed by none, is in no circle.
  for (let before = Infinity; remaining.size < before;) {
    before = remaining.size;
    for (const file of remaining) {
      const among = needed.filter(({ from, to }) => remaining.has(from) && remaining.has(to));
      if (!among.some(({ from }) => from === file) || !among.some(({ to }) => to === file)) remaining.delete(file);
    }
  }
  t.deepEqual([...remaining], []);
});

test('the reactor has one door', (t) => {
  const past = imports.filter(({ from, to }) => !from.startsWith('reactor/') && to.startsWith('reactor/'));
  // The numbers of the protocol are no part of it: Rust's description of its own interface has them.
  const allowed = ['reactor/index.ts', 'reactor/protocol.ts'];
  t.deepEqual(
    past.filter(({ to }) => !allowed.includes(to)).map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

test('what names the parts of a whole imports their types alone', (t) => {
  for (const whole of WHOLES) {
    const own = imports.filter(({ from }) => from === whole);
    t.true(own.length > 0);
    t.true(own.every(({ typesAlone }) => typesAlone));
  }
});
