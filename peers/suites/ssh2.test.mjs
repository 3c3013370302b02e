import assert from 'node:assert';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import ssh2 from 'ssh2';
import { atEnd, digest, drained, listening, pattern } from './_help.mjs';

const { Client, Server, utils } = ssh2;
const hostKey = utils.generateKeyPairSync('ecdsa', { bits: 256 }).private;
const bytes = pattern(3_000_000);

async function connected(t, onSession, onClient = () => {}) {
  const server = new Server({ hostKeys: [hostKey] }, (client) => {
    client.on('authentication', (context) => (context.password === 'secret' ? context.accept() : context.reject(['password'])));
    client.on('session', (accept) => onSession(accept()));
    client.on('error', () => {});
    onClient(client);
    atEnd(t, () => client.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => server.close());
  const client = new Client();
  atEnd(t, () => client.end());
  client.connect({ host: '127.0.0.1', port: server.address().port, username: 'me', password: 'secret' });
  await once(client, 'ready');
  return client;
}

const call = (object, name, ...args) =>
  new Promise((resolve, reject) => object[name](...args, (error, value) => (error ? reject(error) : resolve(value))));

test('a command with what it reads and writes', async (t) => {
  const client = await connected(t, (session) =>
    session.on('exec', (accept, _, { command }) => {
      const stream = accept();
      stream.stderr.write(command);
      stream.on('data', (chunk) => stream.write(chunk));
      stream.on('end', () => {
        stream.exit(3);
        stream.end();
      });
    }),
  );
  const stream = await call(client, 'exec', 'a command');
  const [out, problems, exit] = [drained(stream), drained(stream.stderr), once(stream, 'exit')];
  stream.end(bytes);
  assert.equal(digest(await out), digest(bytes));
  assert.equal(String(await problems), 'a command');
  assert.equal((await exit)[0], 3);
});

test('twenty commands at once over one connection', async (t) => {
  const client = await connected(t, (session) =>
    session.on('exec', (accept, _, { command }) => {
      const stream = accept();
      stream.end(pattern(Number(command)));
      stream.on('finish', () => stream.exit(0));
    }),
  );
  await Promise.all(
    Array.from({ length: 20 }, async (_, number) => {
      const stream = await call(client, 'exec', String(number * 10_000));
      assert.equal(digest(await drained(stream)), digest(pattern(number * 10_000)));
    }),
  );
});

test('a port of the other side', async (t) => {
  const port = await listening(
    t,
    net.createServer((socket) => socket.pipe(socket)),
  );
  const client = await connected(
    t,
    () => {},
    (peer) =>
      peer.on('tcpip', (accept, _, { destIP, destPort }) => {
        const stream = accept();
        const socket = net.connect(destPort, destIP);
        stream.pipe(socket).pipe(stream);
      }),
  );
  const stream = await call(client, 'forwardOut', '127.0.0.1', 1234, '127.0.0.1', port);
  stream.end(bytes);
  assert.equal(digest(await drained(stream)), digest(bytes));
});

test('a wrong password', async (t) => {
  const server = new Server({ hostKeys: [hostKey] }, (client) => {
    client.on('authentication', (context) => context.reject(['password']));
    client.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => server.close());
  const client = new Client();
  client.connect({ host: '127.0.0.1', port: server.address().port, username: 'me', password: 'other' });
  assert.equal((await once(client, 'error'))[0].level, 'client-authentication');
});

test('a peer that goes in the middle', async (t) => {
  const client = await connected(t, (session) =>
    session.on('exec', (accept) => {
      accept().write(bytes);
      setTimeout(() => client._sock.destroy(), 20);
    }),
  );
  client.on('error', () => {});
  const stream = await call(client, 'exec', 'x');
  stream.resume();
  await once(client, 'close');
});
