// Out of descriptors: connects fail with core's error, accepts leave nobody hanging, and all is well again afterwards.
import process from 'node:process';
import test from 'ava';
import { needs } from '../_needs.ts';
import { run, runAlone } from './_child.ts';

const linux = needs('Linux', process.platform === 'linux', test);

linux('during connect', async (t) => {
  const { code, stdout, stderr } = await run(
    `
    const server = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const clients = [];
    const errors = new Map();
    for (let i = 0; i < 100; i++) {
      const client = net.connect(server.address().port, '127.0.0.1');
      clients.push(client);
      client.on('error', (error) => errors.set(error.code + ' ' + error.errno + ' ' + error.syscall, error));
    }
    while (clients.some((client) => client.connecting)) await new Promise((resolve) => setTimeout(resolve, 5));
    console.log([...errors.keys()].join());
    for (const client of clients) client.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const again = net.connect(server.address().port, '127.0.0.1');
    await once(again, 'connect');
    console.log('again');
    again.destroy();
    server.close();
    process.on('exit', () => { const { turns, ...rest } = stats(); console.log(Object.values(rest).join('')); });`,
    'ulimit -n 60',
  );
  t.is(code, 0, stderr);
  const [codes, again, left] = stdout.split('\n');
  t.regex(codes, /^(?:EMFILE -24 connect|EMFILE -24 connect,ECONNRESET -104 read|ECONNRESET -104 read,EMFILE -24 connect)$/);
  t.is(again, 'again');
  t.regex(left, /^0+$/);
});

linux('during accept: who cannot be taken is turned away, and the server goes on', async (t) => {
  const { code, stdout, stderr } = await run(
    `
    import { spawn } from 'node:child_process';
    const held = [];
    const server = net.createServer((socket) => { held.push(socket); socket.on('error', () => {}).resume(); socket.write('hello'); });
    server.on('error', (error) => console.log('server', error.code));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // Clients elsewhere, with descriptors enough.
    const client = spawn('sh', ['-c', 'ulimit -Sn 1024; exec "$0" "$@"', process.execPath, '-e', \`
      const net = require('node:net');
      let greeted = 0, ended = 0;
      for (let i = 0; i < 80; i++) net.connect(+process.argv[1], '127.0.0.1').on('error', () => {}).on('close', () => { ended++; }).once('data', () => { greeted++; });
      const said = () => { console.log(greeted > 0, greeted + ended >= 80); process.exit(0); };
      setInterval(() => greeted + ended >= 80 && said(), 20);
      setTimeout(said, 10000);
    \`, String(server.address().port)], { stdio: ['ignore', 'inherit', 'inherit'] });
    await once(client, 'close');
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const socket of held) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const again = net.connect(server.address().port, '127.0.0.1');
    await once(again, 'data');
    console.log('again');
    again.destroy();
    for (const socket of held) socket.destroy();
    server.close();
    process.on('exit', () => { const { turns, ...rest } = stats(); console.log(Object.values(rest).join('')); });`,
    'ulimit -Sn 50',
  );
  t.is(code, 0, stderr);
  const [clients, again, left] = stdout.split('\n');
  t.is(clients, 'true true');
  t.is(again, 'again');
  t.regex(left, /^0+$/);
});

/** A program of CommonJS, which loads what connections are made of behind its first turn. `when` is that in which all descriptors are taken. */
const firstConnection = (when: string) => `
  import { createRequire } from 'node:module';
  import { openSync, closeSync } from 'node:fs';
  import { once } from 'node:events';
  const net = createRequire(process.cwd() + '/')('iouring-transport/net');
  await new Promise((resolve) => ${when}(resolve));
  const taken = [];
  try {
    for (;;) taken.push(openSync('/dev/null'));
  } catch {}
  await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setImmediate(resolve));
  const connect = async (port) => {
    const client = net.connect(port, '127.0.0.1').on('error', ({ code, syscall }) => console.log(code, syscall)).resume();
    await new Promise((resolve) => client.on('close', resolve));
  };
  if (${when} === setImmediate) await connect(1);
  for (const fd of taken) closeSync(fd);
  const server = net.createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await connect(server.address().port);
  server.close(() => console.log('over'));`;

linux('before the first connection', async (t) => {
  const { code, stdout, stderr } = await runAlone(firstConnection('setImmediate'), 'ulimit -n 100');
  t.is(code, 0, stderr);
  t.is(stdout, 'EMFILE connect\nover');
});

linux('as what connections are made of is to be loaded: the first one loads it', async (t) => {
  const { code, stdout, stderr } = await runAlone(firstConnection('process.nextTick'), 'ulimit -n 100');
  t.is(code, 0, stderr);
  t.is(stdout, 'over');
});
