// Core cannot let go of a descriptor without closing it, and says so.
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';
import test from 'ava';

process.env['IOURING_TRANSPORT'] = 'core';
const { worker } = await import('iouring-transport/transport');

test('a connection stays as it is where it cannot be given up', async (t) => {
  const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = await worker.clients.tcp({ port: (server.address() as net.AddressInfo).port });
  await t.throwsAsync(connection.detach(), { code: 'ERR_IOURING_UNAVAILABLE' });
  await connection.writeSingle(Buffer.from('still here'));
  t.is((await connection.read())!.takeBytes().toString(), 'still here');
  await connection.close();
  server.close();
});
