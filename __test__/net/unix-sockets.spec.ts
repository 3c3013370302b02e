// UNIX-domain sockets: paths and abstract names, permissions, and whose a path is.
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import core from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import net from 'iouring-transport/net';
import { needsAnotherUser } from '../_needs.ts';
import { run } from './_child.ts';
import { errorOf, listening, nothingLeft, textOf, track } from './_sockets.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-unix-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
test.afterEach.always(nothingLeft);

const place = (name: string): string => path.join(folder, name);

async function echoesAt(where: string): Promise<string> {
  const client = track(net.connect(where));
  client.end('hello');
  return textOf(client);
}

test.serial('a path', async (t) => {
  const server = await listening({}, (socket) => socket.pipe(socket), { path: place('plain') });
  t.is(server.address(), place('plain'));
  t.true(statSync(place('plain')).isSocket());
  t.is(await echoesAt(place('plain')), 'hello');
});

test.serial('a path in a name that is not ASCII', async (t) => {
  await listening({}, (socket) => socket.pipe(socket), { path: place('sökkel-€') });
  t.true(existsSync(place('sökkel-€')));
  t.is(await echoesAt(place('sökkel-€')), 'hello');
});

test.serial('an abstract name leaves no file and is free after close', async (t) => {
  const name = `\0iouring-transport-${process.pid}`;
  for (let round = 0; round < 2; round++) {
    const server = await listening({}, (socket) => socket.pipe(socket), { path: name });
    t.is(await echoesAt(name), 'hello');
    server.close();
    await once(server, 'close');
  }
  t.is((await errorOf(track(net.connect(name)))).code, 'ECONNREFUSED');
});

test.serial('what a UNIX socket says of its ends', async (t) => {
  const accepted = new Promise<core.Socket>((resolve) => {
    void listening({}, resolve, { path: place('ends') }).then(() => track(net.connect(place('ends'))));
  });
  const socket = await accepted;
  t.is(socket.remoteAddress, undefined);
  t.is(socket.remotePort, undefined);
  t.deepEqual(socket.address(), {});
  t.throws(() => socket.resetAndDestroy(), { code: 'ERR_INVALID_HANDLE_TYPE' });
  // Nothing to do on such a socket, and no error.
  socket.setNoDelay(true).setKeepAlive(true, 1000);
});

test.serial('close() removes the path; a client that closes does not', async (t) => {
  const server = await listening({}, undefined, { path: place('mine') });
  const client = track(net.connect(place('mine')));
  await once(client, 'connect');
  client.destroy();
  await once(client, 'close');
  t.true(existsSync(place('mine')));
  server.close();
  await once(server, 'close');
  t.false(existsSync(place('mine')));
});

test.serial("a failed listen removes nobody else's path", async (t) => {
  await listening({}, undefined, { path: place('taken') });
  const second = track(net.createServer().listen(place('taken')));
  t.is((await errorOf(second)).code, 'EADDRINUSE');
  second.close();
  t.true(existsSync(place('taken')));
  writeFileSync(place('file'), 'precious');
  t.is((await errorOf(track(net.createServer().listen(place('file'))))).code, 'EADDRINUSE');
  t.true(existsSync(place('file')));
});

test.serial('a socket that a killed server has left behind', async (t) => {
  const { signal } = await run(
    `net.createServer().listen(${JSON.stringify(place('stale'))}, () => process.kill(process.pid, 'SIGKILL'));`,
  );
  t.is(signal, 'SIGKILL');
  t.true(existsSync(place('stale')));
  t.like(await errorOf(track(net.connect(place('stale')))), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
    address: place('stale'),
  });
  t.like(await errorOf(track(net.createServer().listen(place('stale')))), {
    code: 'EADDRINUSE',
    syscall: 'listen',
    address: place('stale'),
    port: -1,
  });
});

test.serial('readableAll and writableAll', async (t) => {
  const modeWith = async (module: Pick<typeof core, 'createServer'>, options: object): Promise<string> => {
    const server = track(module.createServer());
    server.listen({ path: place('mode'), ...options });
    await once(server, 'listening');
    const { mode } = statSync(place('mode'));
    server.close();
    await once(server, 'close');
    return mode.toString(8);
  };
  // libuv adds to the mode before 1.51, and sets it from there on.
  for (const readableAll of [undefined, false, true]) {
    for (const writableAll of [undefined, false, true]) {
      const options = { readableAll, writableAll };
      t.is(await modeWith(net, options), await modeWith(core, options), JSON.stringify(options));
    }
  }
  t.throws(() => net.createServer().listen({ path: '\0abstract', writableAll: true }), { code: 'ERR_INVALID_ARG_VALUE' });
});

needsAnotherUser()('who may not write to a path cannot connect', async (t) => {
  chmodSync(folder, 0o755);
  await listening({}, undefined, { path: place('private') });
  chmodSync(place('private'), 0o600);
  const { stdout, stderr } = await run(
    `process.setgroups([]); process.setgid(65534); process.setuid(65534);
    net.connect(${JSON.stringify(place('private'))}).on('error', ({ code, syscall, errno }) => console.log(code, syscall, errno));`,
  );
  t.is(stdout, 'EACCES connect -13', stderr);
});

test.serial('many bytes through a path', async (t) => {
  await listening({}, (socket) => socket.pipe(socket), { path: place('bulk') });
  const client = track(net.connect(place('bulk')));
  client.end(Buffer.alloc(5_000_000, 'bulk'));
  t.is((await textOf(client)).length, 5_000_000);
});
