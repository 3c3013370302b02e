// What only core can serve is served by core: its own handles, and pipes.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import core from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import net from 'iouring-transport/net';
import { run } from './_child.ts';
import { listening, nothingLeft, onRing, portOf, textOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('a FIFO as fd', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'fifo-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'fifo');
  execFileSync('mkfifo', [file]);
  const socket = track(new net.Socket({ fd: openSync(file, constants.O_RDWR | constants.O_NONBLOCK) }));
  t.true(socket instanceof net.Socket);
  socket.write('through a pipe');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  t.is(String(bytes), 'through a pipe');
});

test('what is no socket as fd', (t) => {
  const fd = openSync('/dev/null', 'r');
  t.throws(() => new net.Socket({ fd }), { code: 'ERR_INVALID_FD_TYPE', message: 'Unsupported fd type: FILE' });
  closeSync(fd);
  t.throws(() => new net.Socket({ fd: -1 }), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => new net.Socket({ fd: 'x' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
});

test.serial('a descriptor that a socket has already', async (t) => {
  if (!onRing) return t.pass();
  const { stdout, stderr } = await run(`
    import { readdirSync, readlinkSync } from 'node:fs';
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect(server.address().port, '127.0.0.1');
    await once(client, 'connect');
    const isSocket = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); } catch { return false; } };
    for (const fd of readdirSync('/proc/self/fd').map(Number).filter((fd) => fd > 2 && isSocket(fd))) {
      try { new net.Socket({ fd }); console.log('taken'); } catch ({ message }) { console.log(message); }
    }
    process.exit();`);
  t.deepEqual(new Set(stdout.split('\n')), new Set(['open EEXIST']), stderr);
  return undefined;
});

test.serial('a socket around a handle of core’s', async (t) => {
  const server = await listening({}, (socket) => socket.end('hello'));
  const theirs = track(core.connect(portOf(server), '127.0.0.1'));
  await once(theirs, 'connect');
  const internals = theirs as unknown as { _handle: unknown };
  const handle = internals._handle;
  const wrapped = track(new net.Socket({ handle } as never));
  internals._handle = null;
  t.is(await textOf(wrapped), 'hello');
});

test.serial('listening on what a server of core’s listens on', async (t) => {
  const theirs = track(core.createServer());
  theirs.listen(0, '127.0.0.1');
  await once(theirs, 'listening');
  const server = track(net.createServer((socket) => socket.end('ours')));
  server.listen(theirs);
  await once(server, 'listening');
  t.true(server.listening);
  t.is(portOf(server), portOf(theirs));
  t.is(await textOf(track(net.connect(portOf(server), '127.0.0.1'))), 'ours');
  const count = await new Promise<number>((resolve) => server.getConnections((_error, connections) => resolve(connections)));
  t.true(count <= 1);
});

test.serial('listening on what another server of ours listens on', async (t) => {
  const first = await listening();
  const second = track(net.createServer((socket) => socket.end('the second')));
  second.listen(first);
  await once(second, 'listening');
  t.is(portOf(second), portOf(first));
  t.is(await textOf(track(net.connect(portOf(first), '127.0.0.1'))), 'the second');
});
