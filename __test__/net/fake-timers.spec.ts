// Timers that test runners and sinon put in the place of Node's stop neither connects nor closes, and move no timeout of a socket, as with core.
import test from 'ava';
import { runAlone } from './_child.ts';

/** What the usual packages do: other functions in all places where timers are found. */
const FAKES = `
  import timers from 'node:timers';
  import promises from 'node:timers/promises';
  const { setTimeout: realTimeout } = timers;
  const fakes = [];
  const fake = (callback) => { fakes.push(callback); return { refresh() {}, ref() { return this; }, unref() { return this; }, close() {} }; };
  const replace = () => {
    for (const target of [globalThis, timers]) {
      for (const name of ['setTimeout', 'setImmediate', 'setInterval']) target[name] = fake;
      for (const name of ['clearTimeout', 'clearImmediate', 'clearInterval']) target[name] = () => {};
    }
    for (const name of ['setTimeout', 'setImmediate']) promises[name] = () => new Promise(() => {});
  };`;

const USE = `
  import { createRequire } from 'node:module';
  const load = createRequire(process.cwd() + '/');
  if (process.env.LATE) replace();
  const { connect, createServer } = load('iouring-transport/net');
  const http = load('iouring-transport/http');
  const fs = load('iouring-transport/fs');
  if (!process.env.LATE) replace();
  const within = (name, promise) => Promise.race([promise, new Promise((resolve) => realTimeout(resolve, 5_000, 'hangs'))]).then((how) => console.log(name, how));

  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await within('listen', new Promise((done) => server.listen(0, '127.0.0.1', () => done('ok'))));
  const { port } = server.address();
  await within('echo', new Promise((done) => { const client = connect(port, '127.0.0.1', () => client.write('x')); client.on('data', () => client.destroy()).on('close', () => done('ok')); }));
  await within('refused', new Promise((done) => connect(1, '127.0.0.1').on('error', () => {}).on('close', () => done('ok'))));
  await within('several addresses', new Promise((done) => { const client = connect({ port, host: 'x', autoSelectFamily: true, lookup: (_host, _options, back) => back(null, [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }]) }); client.on('connect', () => { client.destroy(); done('ok'); }); }));
  await within('timeout', new Promise((done) => { const client = connect(port, '127.0.0.1').setTimeout(20, () => { client.destroy(); done('ok'); }); }));
  await within('no timeout', new Promise((done) => {
    const client = connect(port, '127.0.0.1').setTimeout(50_000, () => done('fired'));
    client.on('connect', () => { for (const callback of fakes) callback(); realTimeout(() => { client.destroy(); done('ok'); }, 20); });
  }));
  await within('http', new Promise((done) => { const web = http.createServer((_request, response) => response.end('x')).listen(0, '127.0.0.1', () => http.get({ port: web.address().port, host: '127.0.0.1', agent: false }, (response) => response.resume().on('end', () => done('ok')))); }));
  await within('file', fs.readFile('/proc/self/status').then(() => 'ok'));
  process.exit();`;

for (const late of ['', '1']) {
  test(`fake timers, put in place ${late ? 'before' : 'after'} the modules are loaded`, async (t) => {
    const { stdout, stderr } = await runAlone(FAKES + USE, `export LATE=${late}`);
    const names = ['listen', 'echo', 'refused', 'several addresses', 'timeout', 'no timeout', 'http', 'file'];
    t.deepEqual(
      stdout.split('\n'),
      names.map((name) => `${name} ok`),
      stderr,
    );
  });
}
