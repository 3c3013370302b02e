// Descriptors that a peer sends along with UNIX datagrams, which nobody here has asked for: they are closed, and what there is no room for is told.
import test from 'ava';
import { needs } from '../_needs.ts';
import { run } from '../net/_child.ts';
import { onRing } from './_tools.ts';

/**
 * A socket that receives, and senders of one datagram with a descriptor each. Core passes descriptors through the channel to a parent process, and
 * asks nothing of it but that `sendmsg` works: here it is a datagram socket that is connected to the receiver.
 */
const SCRIPT = `
import dgram from 'iouring-transport/dgram';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';

const name = '\\0iouring-truncated-' + process.pid;
const link = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
const open = () => readdirSync('/proc/self/fd').length;
const sockets = () => readdirSync('/proc/self/fd').filter((fd) => link(fd).startsWith('socket:'));

const SENDER = \`
  const socket = require('node:dgram').createSocket('udp4');
  socket.bind(0, '127.0.0.1', () => process.stdout.write('ready'));
  process.stdin.once('data', () => process.send('x'.repeat(30_000), socket));\`;

async function sender() {
  const before = new Set(sockets());
  const client = dgram.createSocket('unix_dgram');
  await new Promise((resolve) => client.connect(name, resolve));
  const [fd] = sockets().filter((it) => !before.has(it));
  const child = spawn(process.execPath, ['--eval', SENDER], {
    stdio: ['pipe', 'pipe', 'inherit', Number(fd)],
    env: { ...process.env, NODE_CHANNEL_FD: '3' },
  });
  await once(child.stdout, 'data');
  const closed = once(client, 'close');
  client.close();
  await closed;
  return child;
}

const server = dgram.createSocket({ type: 'unix_dgram', credentials: true });
server.bind(name);
await once(server, 'listening');
const children = [await sender(), await sender()];
await new Promise((resolve) => setImmediate(resolve));
const before = open();
const report = async (child) => {
  const arrived = once(server, 'message');
  child.stdin.write('go');
  const [message, rinfo] = await arrived;
  return [message, rinfo, child.pid];
};
const print = ([message, { size, truncated, ancillary }, pid]) => {
  const { msg } = JSON.parse(message);
  console.log(msg === 'x'.repeat(30_000), size === message.length, truncated, ancillary.credentials.pid === pid, ancillary.truncated);
};
const first = await report(children[0]);
const roomy = open() - before;
// Now the table is full: the kernel has the descriptor, and cannot give it to us.
const fillers = [];
try { for (;;) fillers.push(openSync('/dev/null')); } catch {}
const second = await report(children[1]);
for (const fd of fillers) closeSync(fd);
print(first);
print(second);
console.log(roomy, open() - before);
const ends = children.map((child) => once(child, 'exit'));
for (const child of children) child.kill();
await Promise.all(ends);
server.close();
await once(server, 'close');
const { turns, ...held } = stats();
console.log(Object.values(held).every((count) => count === 0));
process.exit();
`;

needs(
  'io_uring',
  onRing,
  test,
)('they are closed; one that has no room is told as truncated, and costs no byte of the payload', async (t) => {
  const { code, stdout, stderr } = await run(SCRIPT, 'ulimit -n 100');
  t.is(code, 0, stderr);
  t.deepEqual(stdout.split('\n'), ['true true undefined true undefined', 'true true undefined true true', '0 0', 'true']);
});
