// The package loaded anew into a thread that has loaded it before, as Jest does for each file of tests: every instance has a ring while it is in use, and leaves none behind.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import { support } from 'iouring-transport';
import { needs } from '../_needs.ts';

const onRing = needs('io_uring', support().backend === 'uring', test);

/** `instance()` loads the package anew; `echo()` opens a connection and closes it, until nothing is left; `rings()` counts those of the process that are ours. */
const PRELUDE = `
const fs = require('node:fs');
const { once } = require('node:events');
const { setTimeout: pause } = require('node:timers/promises');
const own = /iouring-transport|[\\\\/]dist[\\\\/]/;
function instance() {
  for (const file of Object.keys(require.cache)) if (own.test(file) && file.endsWith('.cjs')) delete require.cache[file];
  // One for each: a module keeps all that it has loaded.
  const load = require('node:module').createRequire(process.cwd() + '/program.cjs');
  return { net: load('iouring-transport/net'), files: load('iouring-transport/fs'), transport: load('iouring-transport/transport'), ...load('iouring-transport') };
}
async function echo({ net, stats }) {
  const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect(server.address().port, '127.0.0.1').end('echo');
  let echoed = '';
  client.setEncoding('utf8').on('data', (text) => (echoed += text));
  await once(client, 'close');
  await new Promise((closed) => server.close(closed));
  while (Object.entries(stats()).some(([name, count]) => name !== 'turns' && count > 0)) await pause(1);
  return echoed;
}
const linkOf = (fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
const count = () => fs.readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).includes('io_uring')).length;
// From Node 22 on libuv has rings of its own.
const libuvs = count();
const rings = () => count() - libuvs;
const say = (...words) => console.log(...words);
`;

function run(t: ExecutionContext, script: string, ...flags: string[]): string {
  const program = `${PRELUDE}(async () => {${script}})();`;
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--eval', program], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, IOURING_TRANSPORT: 'uring' },
  });
  t.is(status, 0, stderr);
  t.is(stderr, '');
  return stdout.trim();
}

onRing('one that is loaded when another is done with takes its place', (t) => {
  const script = `
    for (let time = 0; time < 6; time++) say(await echo(instance()));
    say(rings());`;
  // The first may still have been told of its last connection's end when the second was loaded.
  t.regex(run(t, script), /^(?:echo\n){6}[12]$/);
});

onRing('one that is in use keeps its ring, and the others have their own', (t) => {
  const script = `
    const first = instance();
    const server = first.net.createServer((socket) => socket.end('first')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const file = await instance().files.open(process.execPath);
    const third = instance();
    say(await echo(third), rings());
    const client = third.net.connect(server.address().port, '127.0.0.1');
    say(String((await once(client, 'data'))[0]));
    say((await file.read(Buffer.alloc(4), 0, 4, 0)).buffer.toString('latin1', 1));
    await file.close();
    await new Promise((closed) => server.close(closed));
    say(await echo(first), await echo(third), await echo(instance()), rings());`;
  t.is(run(t, script), 'echo 3\nfirst\nELF\necho echo echo 3');
});

onRing('one that has given its place up has another when it is used again, and two that take turns keep theirs', (t) => {
  const script = `
    const [first, second] = [instance(), instance()];
    for (let time = 0; time < 3; time++) say(await echo(first), await echo(second), rings());`;
  t.is(run(t, script), Array.from({ length: 3 }, () => 'echo echo 2').join('\n'));
});

onRing('those that are used again beside ever new ones do not have ever more', (t) => {
  // The newest always has its place from one that comes back with the next.
  const script = `
    const known = [];
    for (let time = 0; time < 40; time++) {
      known.unshift(instance());
      for (const each of known.splice(4)) await echo(each);
      await echo(known.at(-1));
    }
    say(rings() < 10);`;
  t.is(run(t, script), 'true');
});

onRing('one may be loaded where another is told of its last connection’s end', (t) => {
  const script = `
    const first = instance();
    const server = first.net.createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = first.net.connect(server.address().port, '127.0.0.1').resume();
    client.on('close', () => server.close(async () => say(await echo(instance()), rings())));`;
  t.regex(run(t, script), /^echo [12]$/);
});

onRing('nothing is kept of one whose place another has taken', (t) => {
  const script = `
    const gone = [];
    const registry = new FinalizationRegistry((number) => gone.push(number));
    for (let number = 0; number < 8; number++) {
      const loaded = instance();
      registry.register(loaded.net.Server, number);
      await echo(loaded);
    }
    // The first has loaded the binary, which Node notes down; the last ones have places.
    for (let look = 0; look < 50 && gone.length < 4; look++) { gc(); await pause(20); }
    say(gone.length >= 4);`;
  t.is(run(t, script, '--expose-gc'), 'true');
});

onRing('releasing what one at rest has received takes no ring', (t) => {
  const script = `
    const first = instance();
    const { worker } = first.transport;
    const server = first.net.createServer((socket) => socket.end(Buffer.alloc(4096, 'x'))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connection = await worker.clients.tcp({ port: server.address().port, host: '127.0.0.1' });
    const received = [];
    for await (const payload of connection) received.push(payload);
    for (const payload of received) payload.bytes;
    await new Promise((closed) => server.close(closed));
    while (Object.entries(first.stats()).some(([name, count]) => name !== 'turns' && count > 0)) await pause(1);
    const second = instance();
    say(await echo(second), received.reduce((length, payload) => length + payload.length, 0));
    const views = received.map((payload) => payload.bytes);
    const before = rings();
    for (const payload of received) payload.release();
    say(rings() - before, views.every((view) => view.length === 0 || view.every((byte) => byte === 0)));`;
  t.is(run(t, script), 'echo 4096\n0 true');
});

onRing('a dozen in use: no leak is warned of, and each sends what is written as the process ends', (t) => {
  const script = `
    const peer = () => {
      let [text, gone] = ['', 0];
      const server = require('node:net').createServer((socket) => {
        socket.on('data', (bytes) => (text += bytes)).on('error', () => {});
        socket.on('close', () => ++gone === 12 && (console.log(text), process.exit()));
      });
      server.listen(0, '127.0.0.1', () => process.send(server.address().port));
    };
    const child = require('node:child_process').spawn(process.execPath, ['--eval', '(' + peer + ')()'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [port] = await once(child, 'message');
    const clients = [];
    for (let number = 0; number < 12; number++) {
      clients.push(instance().net.connect(port, '127.0.0.1'));
      await once(clients.at(-1), 'connect');
    }
    process.once('exit', () => clients.forEach((client) => client.write('x')));
    process.exit();`;
  t.is(run(t, script), 'x'.repeat(12));
});
