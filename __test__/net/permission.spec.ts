// Under Node's permission model sockets may do what core's may: nothing where the network is not allowed.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import process from 'node:process';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const exec = promisify(execFile);

const SCRIPT = `
  const [net, dgram, http] = (await Promise.all(['net', 'dgram', 'http'].map((name) => import(process.env.MODULES + name)))).map((it) => it.default);
  const tell = (name, { code, permission, resource, message }) => console.log(name, code, permission, resource, message);
  let over;
  process.on('uncaughtException', (error) => { tell('uncaught', error); over(); });
  const trial = (name, body) => new Promise((done) => {
    over = done;
    const end = (what) => { tell(name, what ?? {}); done(); };
    try { body(end); } catch (error) { end(error); }
  });
  await trial('listen', (end) => { const server = net.createServer().on('error', end).listen(0, () => { server.close(); end(); }); });
  await trial('listen at a path', (end) => { const server = net.createServer().on('error', end).listen('\\0x-' + process.ppid, () => { server.close(); end(); }); });
  await trial('connect', (end) => net.connect(1, '127.0.0.1').on('error', end));
  await trial('connect to a path', (end) => net.connect('/nowhere').on('error', end));
  await trial('request', (end) => http.get('http://127.0.0.1:1').on('error', end));
  await trial('bind', (end) => { const socket = dgram.createSocket('udp4').on('error', end).bind(0, '127.0.0.1', () => { socket.close(); end(); }); });
  await trial('send', (end) => { const socket = dgram.createSocket('udp4').on('error', end); socket.send('x', 9, '127.0.0.1', (error) => { socket.close(); end(error); }); });
  process.exit();`;

// From the very first version with a permission model on; the network belongs to it where there is a flag to allow it.
const FLAG = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
const covered = process.allowedNodeEnvironmentFlags.has('--allow-net');

for (const more of covered ? [[], ['--allow-net']] : [[]]) {
  test.serial(`sockets under ${[FLAG, ...more].join(' ')}`, async (t) => {
    const flags = [
      FLAG,
      ...more,
      '--allow-fs-read=*',
      '--allow-addons',
      '--no-warnings',
      '--input-type=module',
      '--eval',
      SCRIPT,
    ];
    const outcomes: string[][] = [];
    // One after the other: they listen at the same name.
    for (const modules of ['iouring-transport/', 'node:']) {
      const { stdout } = await exec(process.execPath, flags, { cwd: ROOT, env: { ...process.env, MODULES: modules } });
      outcomes.push(stdout.trim().split('\n'));
    }
    const [ours, cores] = outcomes as [string[], string[]];
    t.deepEqual(ours, cores);
    t.is(
      ours.some((line) => line.includes('ERR_ACCESS_DENIED')),
      covered && more.length === 0,
    );
  });
}
