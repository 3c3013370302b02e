// `--import iouring-transport/register`: whoever asks for a module of core's gets ours.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';

function run(script: string, type: 'commonjs' | 'module', flag = '--import', backend = 'uring') {
  const args = [flag, 'iouring-transport/register', `--input-type=${type}`, '--eval', script];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    ...{ encoding: 'utf8', timeout: 30_000 },
    env: { ...process.env, IOURING_TRANSPORT: backend },
  });
  return status === 0 ? stdout.trim() : `status ${status}: ${stderr}`;
}

const NAMES = JSON.stringify(['net', 'http', 'https', 'tls', 'http2']);

for (const flag of ['--import', '--require']) {
  test(`${flag}: require, with and without node:`, (t) => {
    const script = `console.log(${NAMES}.every((n) => require(n) === require('iouring-transport/' + n) && require('node:' + n) === require(n)))`;
    t.is(run(script, 'commonjs', flag), 'true');
  });

  test(`${flag}: import, with and without node:`, (t) => {
    const script = `
      import http, { createServer } from 'node:http';
      import ours from 'iouring-transport/http';
      const all = await Promise.all(${NAMES}.map(async (n) => {
        const [one, two, three] = await Promise.all([import(n), import('node:' + n), import('iouring-transport/' + n)]);
        return one.default === three.default && two.default === three.default;
      }));
      console.log(all.every(Boolean) && http === ours && createServer === ours.createServer);`;
    t.is(run(script, 'module', flag), 'true');
  });
}

test('process.getBuiltinModule', (t) => {
  const script = `
    const get = process.getBuiltinModule ?? require;
    console.log(get('node:http') === require('iouring-transport/http'), get('fs') === require('fs'))`;
  t.is(run(script, 'commonjs'), 'true true');
});

test('workers, createRequire and what core itself uses', (t) => {
  const script = `
    const { Worker } = require('node:worker_threads');
    const { createRequire } = require('node:module');
    const same = createRequire(process.cwd() + '/application.js')('http') === require('http');
    const worker = new Worker("require('node:worker_threads').parentPort.postMessage(require('http') === require('iouring-transport/http'))", { eval: true });
    worker.on('message', (there) => console.log(same, there, require('_http_server').Server !== require('http').Server));`;
  // Before Node 22, a worker that evaluates a string does not wait for `--import`.
  t.is(run(script, 'commonjs', '--require'), 'true true true');
});

test('on core nothing is changed', (t) => {
  const script = `console.log(require('http').Server === require('_http_server').Server)`;
  t.is(run(script, 'commonjs', '--import', 'core'), 'true');
});
