// A peer that is killed: its connections end or are reset, and the server goes on.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import type core from 'node:net';
import test from 'ava';
import { closeOf, listening, nothingLeft, portOf } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const CLIENT = `
const net = require('node:net');
for (let i = 0; i < 20; i++) net.connect(+process.argv[1], '127.0.0.1', function () { this.write('hello'); if (i % 2) this.pause(); else this.resume(); });
`;

test.serial('SIGKILL of a process with 20 connections that are written to', async (t) => {
  const sockets: core.Socket[] = [];
  const errors = new Set<string | undefined>();
  const server = await listening({}, (socket) => {
    sockets.push(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => errors.add(error.code));
    socket.resume();
    const fill = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(50_000)));
    };
    socket.on('drain', fill);
    fill();
  });
  const child = spawn(process.execPath, ['-e', CLIENT, String(portOf(server))], { stdio: 'inherit' });
  while (sockets.length < 20) await once(server, 'connection');
  for (const socket of sockets) if (socket.bytesRead === 0) await once(socket, 'data');
  const closes = sockets.map(closeOf);
  child.kill('SIGKILL');
  await Promise.all(closes);
  for (const code of errors) t.true(code === 'ECONNRESET' || code === 'EPIPE', code);
  await new Promise<void>((resolve, reject) => {
    server.getConnections((error, count) => (error === null && count === 0 ? resolve() : reject(error ?? new Error(`${count}`))));
  });
  t.true(server.listening);
});
