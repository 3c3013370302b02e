// close() of what has an address gives it back before it returns, whatever the kernel has put off for other sockets meanwhile.
import { once } from 'node:events';
import core from 'node:net';
import process from 'node:process';
import test from 'ava';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

/** Connections that all have something to read at the same moment: the kernel does some twenty of such things each time it is entered. */
const BUSY = 200;

async function busy() {
  const server = await listening({}, (socket) => socket.on('error', () => {}).resume());
  let accepted = 0;
  const all = new Promise<void>((resolve) => server.on('connection', () => void (++accepted === BUSY && resolve())));
  const clients = Array.from({ length: BUSY }, () => track(core.connect(portOf(server), '127.0.0.1').on('error', () => {})));
  await all;
  return {
    server,
    arrive: () => clients.forEach((client) => client.write('x')),
    end: () => clients.forEach((client) => client.destroy()),
  };
}

for (const kind of ['TCP', 'UNIX'] as const) {
  test.serial(`a server listens again where it has just closed, ${kind}, with ${BUSY} connections at work`, async (t) => {
    const { server, arrive, end } = await busy();
    const other = track(net.createServer());
    other.listen(kind === 'TCP' ? { port: 0, host: '127.0.0.1' } : { path: `\0port-free-${process.pid}` });
    await once(other, 'listening');
    const address = other.address() as core.AddressInfo | string;
    const again = typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' };
    for (let round = 0, last = other; round < 20; round++) {
      arrive();
      last.close();
      last = track(net.createServer().listen(again));
      await once(last, 'listening');
      if (round === 19) last.close();
    }
    end();
    server.close();
    t.pass();
  });
}

test.serial('a server listens again while clients connect to it', async (t) => {
  const make = () => track(net.createServer((socket) => socket.on('error', () => {}).destroy()));
  let server = make().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  let connecting = true;
  const one = (): void => {
    if (!connecting) return;
    core
      .connect(port, '127.0.0.1')
      .on('error', () => {})
      .on('close', () => setImmediate(one))
      .resume();
  };
  for (let i = 0; i < 40; i++) one();
  for (let round = 0; round < 100; round++) {
    if (round % 2 === 0) await once(server, 'connection');
    else await new Promise(setImmediate);
    server.close();
    server = make().listen(port, '127.0.0.1');
    await once(server, 'listening');
  }
  connecting = false;
  server.close();
  t.pass();
});

test.serial('a datagram socket binds where another has just sent and closed', async (t) => {
  const { server, arrive, end } = await busy();
  let socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  for (let round = 0; round < 20; round++) {
    arrive();
    for (let i = 0; i < 30; i++) socket.send('last words', port, '127.0.0.1');
    socket.close();
    socket = dgram.createSocket('udp4').bind(port, '127.0.0.1');
    await once(socket, 'listening');
  }
  socket.close();
  end();
  server.close();
  t.pass();
});
