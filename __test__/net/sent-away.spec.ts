// Sockets and servers that are sent to other processes, and come from them.
import type dgram from 'node:dgram';
import { once } from 'node:events';
import type core from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import ownDgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { runAlone } from './_child.ts';
import { child, end } from './_receiver.ts';
import { closeOf, listening, nothingLeft, portOf, textOf, track } from './_sockets.ts';

const connections = (server: core.Server): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));

test.afterEach.always(nothingLeft);

test.serial('connections, as many as come at once', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true }, (socket) => other.send('answer', socket));
  const clients = Array.from({ length: 30 }, () => track(net.connect(portOf(server), '127.0.0.1')));
  const answers = await Promise.all(clients.map(textOf));
  t.deepEqual(new Set(answers), new Set(['from the child']));
  await end(other);
});

test.serial('what the client has sent before waits for the other process', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    setTimeout(() => other.send('answer', socket), 50);
  });
  const client = track(net.connect({ port: portOf(server), host: '127.0.0.1' }));
  client.write('early');
  t.is(await textOf(client), 'from the child');
  await end(other);
});

test.serial('what was written before comes before', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true }, (socket) => {
    socket.write('from the parent, ');
    other.send('answer', socket);
  });
  t.is(await textOf(track(net.connect(portOf(server), '127.0.0.1'))), 'from the parent, from the child');
  await end(other);
});

test.serial('the server counts what the other process has, and waits for it to close', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true }, (socket) => other.send('hold', socket));
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  const closed = closeOf(client);
  await once(other, 'message');
  t.is(await connections(server), 1);
  let isClosed = false;
  server.close(() => (isClosed = true));
  await sleep(50);
  t.false(isClosed);
  other.send('let go');
  await closed;
  if (!isClosed) await once(server, 'close');
  await end(other);
});

test.serial('keepOpen: both processes have it', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true }, (socket) => {
    other.send('answer', socket, { keepOpen: true }, () => {
      setTimeout(() => socket.destroy(), 100);
    });
    t.not(socket.remotePort, undefined);
  });
  t.is(await textOf(track(net.connect(portOf(server), '127.0.0.1'))), 'from the child');
  await end(other);
});

test.serial('a server, which goes on listening there when it is closed here', async (t) => {
  const other = await child(t);
  const server = await listening({}, (socket) => socket.end('served by the parent'));
  const port = portOf(server);
  other.send('serve', server);
  await once(other, 'message');
  server.close();
  for (let i = 0; i < 3; i++) t.is(await textOf(track(net.connect(port, '127.0.0.1'))), 'served by the child');
  await end(other);
});

test.serial('a server’s handle by itself', async (t) => {
  const other = await child(t);
  const server = await listening();
  other.send('count', (server as unknown as { _handle: core.Server })._handle);
  t.is((await once(other, 'message'))[0], 'TCP');
  await end(other);
});

test.serial('a datagram socket', async (t) => {
  const other = await child(t);
  const socket = ownDgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  other.send('echo', socket as unknown as dgram.Socket as never);
  await once(other, 'message');
  socket.close();
  const asking = ownDgram.createSocket('udp4');
  asking.send('a question', port, '127.0.0.1');
  const [answer] = (await once(asking, 'message')) as [Buffer];
  t.is(String(answer), 'echo of a question');
  asking.close();
  await end(other);
});

test.serial('nothing is sent of a socket that is closed', async (t) => {
  const other = await child(t);
  const server = await listening();
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  await once(client, 'connect');
  client.destroy();
  other.send('count', client);
  t.is((await once(other, 'message'))[0], 'no handle');
  await end(other);
});

for (const module of ['node:net', 'iouring-transport/net']) {
  test.serial(`from a child with sockets of ${module}`, async (t) => {
    const other = await child(t, module);
    other.send('give');
    const [{ port }] = (await once(other, 'message')) as [{ port: number }];
    const client = track(net.connect(port, '127.0.0.1'));
    const [what, socket] = (await once(other, 'message')) as [string, core.Socket];
    t.is(what, 'given');
    track(socket).end('from the parent');
    t.is(await textOf(client), 'from the parent');
    await end(other);
  });

  test.serial(`a server from a child with sockets of ${module}`, async (t) => {
    const other = await child(t, module);
    other.send('give server');
    const [{ port }] = (await once(other, 'message')) as [{ port: number }];
    const [what, server] = (await once(other, 'message')) as [string, core.Server];
    t.is(what, 'given');
    track(server).on('connection', (socket) => socket.end('served by the parent'));
    await end(other);
    t.is(await textOf(track(net.connect(port, '127.0.0.1'))), 'served by the parent');
  });
}

test.serial('a server, by a program that had a child before its first server', async (t) => {
  const { code, signal, stdout, stderr } = await runAlone(`
    import { spawn } from 'node:child_process';
    import { createRequire } from 'node:module';
    const net = createRequire(process.cwd() + '/')('iouring-transport/net');
    const serve = "process.on('message', (_, server) => { process.send(typeof server.address().port); server.close(); process.disconnect(); })";
    const child = spawn(process.execPath, ['--eval', serve], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.on('message', (message) => console.log(message));
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      console.log(process.getActiveResourcesInfo().includes('TCPServerWrap'), process._getActiveHandles().includes(server));
      child.send('serve', server, () => server.close());
    });
  `);
  t.deepEqual({ code, signal, stdout, stderr }, { code: 0, signal: null, stdout: 'true true\nnumber', stderr: '' });
});
