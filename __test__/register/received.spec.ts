// What a process that has us registered is sent by another is ours, and does what core's does.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { child as receiver, end } from '../net/_receiver.ts';
import { listening, nothingLeft, onRing, portOf, textOf, track } from '../net/_sockets.ts';

const REGISTERED = ['--import', 'iouring-transport/register'];

const child = (t: ExecutionContext) => receiver(t, 'node:net', REGISTERED);

test.afterEach.always(nothingLeft);

test.serial('sockets, servers and datagram sockets', async (t) => {
  if (!onRing) return t.pass();
  const other = await child(t);
  const server = await listening();
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  await once(client, 'connect');
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  for (const thing of [client, server, socket]) {
    other.send('whose', thing as never);
    t.is((await once(other, 'message'))[0], 'of this module');
  }
  socket.close();
  await end(other);
  return undefined;
});

test.serial('connections, as many as come at once, with what was sent before', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true }, (socket) => other.send('answer', socket));
  const clients = Array.from({ length: 20 }, () => track(net.connect(portOf(server), '127.0.0.1')));
  t.deepEqual(new Set(await Promise.all(clients.map(textOf))), new Set(['from the child']));
  await end(other);
});

test.serial('the sender counts what is open here', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true }, (socket) => other.send('hold', socket));
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  await once(other, 'message');
  t.is(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count))), 1);
  server.close();
  other.send('let go');
  await Promise.all([once(client, 'close'), once(server, 'close')]);
  await end(other);
});

test.serial('a connection that nobody reads here ends with its peer, and says once that it is closed', async (t) => {
  const other = await child(t);
  const heard: unknown[] = [];
  other.on('message', (message) => heard.push(message));
  const server = await listening({ pauseOnConnect: true }, (socket) => other.send('leave alone', socket));
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  await once(other, 'message');
  client.end();
  await Promise.all([once(client, 'close'), once(other, 'message')]);
  other.disconnect();
  await once(other, 'disconnect');
  t.deepEqual(heard, ['left alone', ['closed', false]]);
  await once(other, 'exit');
});

test.serial('what was written has gone before a message does', async (t) => {
  const other = await child(t);
  const server = await listening({ pauseOnConnect: true }, (socket) => other.send('write and die', socket));
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  const [[message], text] = await Promise.all([once(other, 'message'), textOf(client)]);
  t.deepEqual([message, text], ['it is', 'written']);
});

test.serial('a server goes on listening here, a datagram socket receiving', async (t) => {
  const other = await child(t);
  const server = await listening();
  const port = portOf(server);
  other.send('serve', server);
  await once(other, 'message');
  server.close();
  t.is(await textOf(track(net.connect(port, '127.0.0.1'))), 'served by the child');

  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port: at } = socket.address();
  other.send('echo', socket as never);
  await once(other, 'message');
  socket.close();
  const asking = dgram.createSocket('udp4');
  asking.send('a question', at, '127.0.0.1');
  t.is(String((await once(asking, 'message'))[0]), 'echo of a question');
  asking.close();
  await end(other);
});

test.serial('a message that nobody listens to yet keeps its socket, and the socket its bytes', (t) => {
  const script = `
    const { fork } = require('node:child_process');
    const net = require('node:net');
    if (process.argv[1] === 'child') {
      setTimeout(() => process.on('message', (_what, socket) => {
        socket.setEncoding('utf8').on('data', (text) => socket.end(text + ' ' + (Object.getPrototypeOf(socket) === net.Socket.prototype)));
        socket.on('close', () => process.disconnect());
      }), 100);
    } else {
      const child = require('node:child_process').spawn(process.execPath, [...process.execArgv, 'child'], { stdio: ['ignore', 1, 2, 'ipc'] });
      const server = net.createServer({ pauseOnConnect: true }, (socket) => { child.send('take', socket); server.close(); });
      server.listen(0, '127.0.0.1', () => {
        net.connect(server.address().port, '127.0.0.1').setEncoding('utf8').on('data', console.log).write('early');
      });
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, [...REGISTERED, '--eval', script], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  t.is(stdout.trim(), 'early true', stderr);
});
