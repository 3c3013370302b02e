// What programs do to globals and to `Object.prototype` before they load the package stops it as little as it stops core.
import test from 'ava';
import { runAlone } from './_child.ts';

const USE = `
  const { connect, createServer } = load('iouring-transport/net');
  load('iouring-transport/http');
  const fs = load('iouring-transport/fs');
  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
    const client = connect(server.address().port, '127.0.0.1', () => client.end('sent'));
    client.on('data', (bytes) => log('echoed ' + bytes)).on('close', () => server.close(() => fs.readFile('/proc/self/comm').then(() => log('read'))));
  });`;

const LOAD = `
  import { createRequire } from 'node:module';
  import process from 'node:process';
  const load = createRequire(process.cwd() + '/');
  for (const name of ['net', 'http', 'fs/promises', 'dgram', 'tls']) load('node:' + name);
  const log = (text) => process._rawDebug(text);`;

const DONE = 'echoed sent\nread\n';

const PROGRAMS = {
  'globals that are gone': `for (const name of ['Buffer', 'URL', 'queueMicrotask', 'setTimeout', 'setImmediate', 'clearTimeout', 'performance', 'process']) delete globalThis[name];`,
  'members of Object.prototype that can be enumerated': `Object.assign(Object.prototype, { each() {}, size: 3, toJSON: undefined });`,
  'a getter for every description': `Object.prototype.get = 5;`,
  'a setter for every description': `Object.prototype.set = 5;`,
  'a value for every description': `Object.prototype.value = 5;`,
};

for (const [title, spoil] of Object.entries(PROGRAMS)) {
  test(title, async (t) => {
    const { stderr } = await runAlone(LOAD + spoil + USE);
    t.is(stderr, DONE);
  });
}

/** As Jest loads a program: in a realm of its own, with a copy of `process`, whose ticks its fake timers hold back. */
const ELSEWHERE = `
  import { readFileSync } from 'node:fs';
  import path from 'node:path';
  import vm from 'node:vm';
  const context = vm.createContext({ Buffer, Uint8Array, ArrayBuffer, AbortController, AbortSignal, DOMException, structuredClone, queueMicrotask: () => {} });
  const copy = Object.create(process, Object.getOwnPropertyDescriptors(process));
  copy.nextTick = () => {};
  copy.getBuiltinModule = (name) => builtin(name);
  const builtin = (name) => (/^(node:)?process$/.test(name) ? copy : process.getBuiltinModule(name));
  const modules = new Map();
  function loadHere(file) {
    if (modules.has(file)) return modules.get(file).exports;
    const module = { exports: {}, filename: file };
    modules.set(file, module);
    const own = createRequire(file);
    const require = (name) => builtin(name) ?? (name.endsWith('.node') ? own(name) : loadHere(own.resolve(name)));
    module.require = require;
    const body = vm.runInContext('(function (exports, require, module, __filename, __dirname) {' + readFileSync(file, 'utf8') + '\\n})', context);
    body(module.exports, Object.assign(require, { resolve: own.resolve }), module, file, path.dirname(file));
    return module.exports;
  }`;

test('ticks and microtasks that another realm holds back', async (t) => {
  const { stderr } = await runAlone(
    `${LOAD + ELSEWHERE}
     const resolved = load;
     { const load = (name) => loadHere(resolved.resolve(name)); log(loadHere(resolved.resolve('iouring-transport')).support().backend); ${USE} }`,
  );
  t.is(stderr, `uring\n${DONE}`);
});
