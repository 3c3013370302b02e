// `--import iouring-transport/register`: whoever asks for a module of core's gets ours.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import Module from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import { support } from 'iouring-transport';

function run(args: readonly string[], flag = '--import', backend = 'uring') {
  const { stdout, stderr, status } = spawnSync(process.execPath, [flag, 'iouring-transport/register', ...args], {
    ...{ encoding: 'utf8', timeout: 30_000 },
    env: { ...process.env, IOURING_TRANSPORT: backend },
  });
  return status === 0 ? stdout.trim() : `status ${status}: ${stderr}`;
}

function runText(script: string, type: 'commonjs' | 'module', flag?: string, backend?: string) {
  return run([`--input-type=${type}`, '--eval', script], flag, backend);
}

/** Core's names and ours. */
const TABLE = JSON.stringify({
  net: 'net',
  http: 'http',
  https: 'https',
  tls: 'tls',
  http2: 'http2',
  dgram: 'dgram',
  'fs/promises': 'fs',
});

for (const flag of ['--import', '--require']) {
  test(`${flag}: require, with and without node:`, (t) => {
    const script = `
      const all = Object.entries(${TABLE}).filter(([name, ours]) => {
        const expected = require('iouring-transport/' + ours);
        return require(name) !== expected || require('node:' + name) !== expected;
      });
      console.log(all.length === 0, require('fs').promises === require('fs/promises'), require('fs').readFile.name);`;
    t.is(runText(script, 'commonjs', flag), 'true true readFile');
  });

  test(`${flag}: import, with and without node:`, (t) => {
    const script = `
      import http, { createServer } from 'node:http';
      import ours from 'iouring-transport/http';
      import fs, { promises } from 'node:fs';
      import files, { open } from 'fs/promises';
      const all = await Promise.all(Object.entries(${TABLE}).map(async ([name, ours]) => {
        const [one, two, three] = await Promise.all([import(name), import('node:' + name), import('iouring-transport/' + ours)]);
        return one.default === three.default && two.default === three.default;
      }));
      console.log(all.every(Boolean), http === ours && createServer === ours.createServer);
      console.log(promises === files, fs.promises === files, open === files.open);`;
    t.is(runText(script, 'module', flag), 'true true\ntrue true true');
  });
}

/** As require-in-the-middle does, on which tracers stand: whoever asks for a module of core's by its name gets what the first has got. */
const TRACER = `
  const Module = require('node:module');
  const { getBuiltinModule } = process;
  const { require: load } = Module.prototype;
  const known = new Map();
  const given = (id, load) => {
    const name = id.replace('node:', '');
    if (!Module.isBuiltin(name)) return load();
    if (!known.has(name)) known.set(name, load());
    return known.get(name);
  };
  Module.prototype.require = function (id) { return given(id, () => load.call(this, id)); };
  process.getBuiltinModule = (id) => given(id, () => getBuiltinModule(id));
`;

for (const type of ['commonjs', 'module'] as const) {
  test(`below a tracer that replaces \`require\`, in a ${type} program: ours are found, and core's by ours`, (t) => {
    const begin =
      type === 'commonjs' ? TRACER : `import { createRequire } from 'node:module'; const require = createRequire('/'); ${TRACER}`;
    const script = `${begin}
      const names = Object.keys(${TABLE});
      const { support } = require('${path.resolve('dist/index.cjs')}');
      const server = require('http').createServer((_, response) => response.end('answer')).listen(0, '127.0.0.1', () => {
        require('node:http').get({ port: server.address().port, host: '127.0.0.1', agent: false }, (response) => {
          response.setEncoding('utf8').on('data', (text) => console.log(text)).on('end', () => server.close());
        });
      });
      console.log(names.filter((name) => require(name) !== require('${path.resolve('dist')}/' + ${TABLE}[name] + '.cjs')).length);
      console.log(require('net').Socket.prototype instanceof require('stream').Duplex, support().backend);`;
    t.is(runText(script, type), `0\ntrue ${support().backend}\nanswer`);
  });
}

test('names that were imported follow an export that is replaced, once core is told of it', (t) => {
  const script = `
    import module, { syncBuiltinESMExports } from 'node:module';
    import http, { request } from 'node:http';
    import https, { get } from 'node:https';
    import dgram, { createSocket } from 'node:dgram';
    import files, { open, stat } from 'node:fs/promises';
    const mock = () => {};
    const before = [request, get, createSocket, open, stat];
    const restore = [[http, 'request'], [https, 'get'], [dgram, 'createSocket'], [files, 'open'], [files, 'stat']].map(([object, name]) => {
      const { [name]: original } = object;
      object[name] = mock;
      return () => (object[name] = original);
    });
    const same = () => [request, get, createSocket, open, stat].map((now, at) => now === mock ? 'mock' : now === before[at]).join();
    console.log(same());
    syncBuiltinESMExports();
    console.log(same());
    for (const undo of restore) undo();
    syncBuiltinESMExports();
    console.log(same(), syncBuiltinESMExports === module.syncBuiltinESMExports);`;
  t.is(runText(script, 'module'), 'true,true,true,true,true\nmock,mock,mock,mock,mock\ntrue,true,true,true,true true');
});

test('process.getBuiltinModule', (t) => {
  const script = `
    const get = process.getBuiltinModule ?? require;
    const all = Object.entries(${TABLE}).every(([name, ours]) => get('node:' + name) === require('iouring-transport/' + ours));
    console.log(all, get('fs') === require('fs'), get('fs').promises === get('fs/promises'), get('there is none') === undefined)`;
  t.is(runText(script, 'commonjs'), 'true true true true');
});

test('workers, createRequire and what core itself uses', (t) => {
  const script = `
    const { Worker } = require('node:worker_threads');
    const { createRequire } = require('node:module');
    const same = createRequire(process.cwd() + '/application.js')('http') === require('http');
    const worker = new Worker("require('node:worker_threads').parentPort.postMessage(require('http') === require('iouring-transport/http'))", { eval: true });
    worker.on('message', (there) => console.log(same, there, require('_http_server').Server !== require('http').Server));`;
  // Before Node 22, a worker that evaluates a string does not wait for `--import`.
  t.is(runText(script, 'commonjs', '--require'), 'true true true');
});

test('on core nothing is changed', (t) => {
  const script = `
    const fs = require('fs');
    console.log(require('http').Server === require('_http_server').Server, fs.promises === require('fs/promises'), fs.promises.open.name)`;
  t.is(runText(script, 'commonjs', '--import', 'core'), 'true true open');
});

test('nothing is loaded and no thread is started before a module is asked for', (t) => {
  // From Node 22 on libuv has rings of its own.
  const script = `
    const { readdirSync, readlinkSync } = require('fs');
    const isRing = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd).includes('io_uring'); } catch { return false; } };
    const loaded = Object.keys(require.cache).filter((file) => file.includes('/dist/') && !/(?:register|answer)[.]cjs$/.test(file));
    console.log(readdirSync('/proc/self/task').length, readdirSync('/proc/self/fd').filter(isRing).length, loaded.length);`;
  const plain = spawnSync(process.execPath, ['--eval', script], { encoding: 'utf8' });
  t.regex(plain.stdout, / 0\n$/);
  t.is(runText(script, 'commonjs', '--require'), plain.stdout.trim());
});

/** Runs files of one folder that is a package. */
function runFiles(files: Readonly<Record<string, string>>, entry: string, type = 'commonjs') {
  const folder = mkdtempSync(path.join(tmpdir(), 'iouring-transport-register-'));
  try {
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type }));
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
    return run([path.join(folder, entry)]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Says what only ours has. */
const SAYS = `console.log(typeof net.sendDescriptors)`;

test('a program that is an ES module', (t) => {
  t.is(runFiles({ 'main.mjs': `import net from 'net'; ${SAYS}` }, 'main.mjs'), 'function');
  t.is(runFiles({ 'main.js': `import net from 'node:net'; ${SAYS}` }, 'main.js', 'module'), 'function');
  t.is(
    runFiles({ 'main.mjs': `export * from './other.mjs';`, 'other.mjs': `import net from 'net'; ${SAYS}` }, 'main.mjs'),
    'function',
  );
});

test('an import from a CommonJS module, deep down', (t) => {
  const files = {
    'main.js': `require('./next.js');`,
    'next.js': `require('./last.js');`,
    'last.js': `import('net').then(({ default: net }) => { ${SAYS} });`,
  };
  t.is(runFiles(files, 'main.js'), 'function');
});

test('an import from an ES module that CommonJS requires or imports', (t) => {
  const files = {
    'main.js': `require('./next.js')('./last.mjs');`,
    'next.js': `module.exports = (name) => import(name);`,
    'last.mjs': `import net from 'net'; ${SAYS}`,
  };
  t.is(runFiles(files, 'main.js'), 'function');
  // No hook of older versions sees what a required ES module imports.
  if ('registerHooks' in Module) {
    t.is(runFiles({ ...files, 'main.js': `require('./last.mjs');` }, 'main.js'), 'function');
  }
});
