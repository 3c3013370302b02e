// `socket._handle`: what core's TLS and HTTP/2 take over, and what others find there.
import { once } from 'node:events';
import { fork } from 'node:child_process';
import coreNet from 'node:net';
import coreTls from 'node:tls';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';
import { makeCertificates } from '../_certificates.ts';
import { closeOf, errorOf, listening, nothingLeft, onRing, pair, portOf, textOf, track } from '../net/_sockets.ts';

test.afterEach.always(nothingLeft);

const { server: certificate, ca } = makeCertificates();

interface Handle {
  fd: number;
  bytesRead: number;
  bytesWritten: number;
  reading: boolean;
  isStreamBase: boolean;
  getAsyncId(): number;
  getProviderType(): number;
  hasRef(): boolean;
  unref(): void;
  ref(): void;
  readStart(): number;
  readStop(): number;
  getsockname(result: object): number;
  getpeername(result: object): number;
  close(callback?: () => void): void;
}

const handleOf = (socket: coreNet.Socket): Handle | null => (socket as unknown as { _handle: Handle | null })._handle;

test.serial('it has what handles of core have, and is the same every time', async (t) => {
  if (!onRing) return t.pass();
  const { client, peer } = await pair();
  const handle = handleOf(client)!;
  t.is(handleOf(client), handle);
  t.true(handle.fd > 2);
  t.true(handle.isStreamBase);
  t.true(handle.hasRef());
  t.true(handle.getAsyncId() > 0);
  t.is(typeof handle.getProviderType(), 'number');
  const [own, other] = [{}, {}] as coreNet.AddressInfo[];
  t.is(handle.getsockname(own), 0);
  t.is(handle.getpeername(other), 0);
  t.deepEqual([own.port, other.port], [client.localPort, client.remotePort]);
  client.write('12345');
  peer.write('123');
  await once(client, 'data');
  t.deepEqual([handle.bytesWritten, handle.bytesRead], [5, 3]);
  client.destroy();
  t.is(handleOf(client), null);
  await closeOf(client);
  return undefined;
});

test.serial('a socket whose handle was looked at goes on as it was', async (t) => {
  const { client, peer } = await pair({ allowHalfOpen: true });
  handleOf(client);
  handleOf(peer);
  const sent = 'x'.repeat(1_000_000);
  client.end(sent);
  t.is(await textOf(peer), sent);
  peer.end('answer');
  t.is(await textOf(client), 'answer');
});

test.serial('a reset reaches a socket whose handle was looked at', async (t) => {
  const { client, peer } = await pair();
  handleOf(client);
  const error = errorOf(client);
  peer.resetAndDestroy();
  t.is((await error).code, 'ECONNRESET');
});

test.serial('one of core’s sockets works on it', async (t) => {
  if (!onRing) return t.pass();
  const { client, peer } = await pair();
  const above = track(new coreNet.Socket({ handle: handleOf(client) } as unknown as coreNet.SocketConstructorOpts));
  above.on('data', (bytes: Buffer) => above.write(`echo ${String(bytes)}`));
  above.read(0);
  peer.write('hello');
  t.is(String((await once(peer, 'data'))[0]), 'echo hello');
  return undefined;
});

/** STARTTLS: what is still attached to the client's socket when it goes on as TLS. */
test.serial('one of core’s sockets writes much to it, and its callbacks come', async (t) => {
  const { client, peer } = await pair();
  const above = track(new coreNet.Socket({ handle: handleOf(client) } as unknown as coreNet.SocketConstructorOpts));
  const arrived = textOf(peer);
  let callbacks = 0;
  const done = (error?: Error | null) => {
    t.falsy(error);
    callbacks++;
  };
  above.write('a'.repeat(40_000), done);
  above.cork();
  above.write('head\n', 'latin1', done);
  above.write(Buffer.alloc(64 * 1024, 'b'), done);
  above.write(Buffer.alloc(200_000, 'c'), done);
  above.uncork();
  above.end();
  t.is(await arrived, `${'a'.repeat(40_000)}head\n${'b'.repeat(64 * 1024)}${'c'.repeat(200_000)}`);
  t.is(callbacks, 4);
  peer.end();
  await closeOf(above);
});

const CONSUMERS: Record<string, (socket: coreNet.Socket, seen: () => void) => void> = {
  'nothing left': () => {},
  'a listener of data': (socket, seen) => socket.on('data', seen),
  'a listener of readable': (socket, seen) => socket.on('readable', () => socket.read() !== null && seen()),
  paused: (socket) => socket.pause(),
  'an encoding': (socket) => socket.setEncoding('utf8'),
  'a timeout': (socket) => socket.setTimeout(10_000),
};

for (const [name, attach] of Object.entries(CONSUMERS)) {
  for (const [which, Above] of Object.entries({ ours: tls, core: coreTls })) {
    test.serial(`STARTTLS by ${which} over a socket with ${name}`, async (t) => {
      const server = await listening({}, (raw) => {
        raw.once('data', () => {
          raw.write('go');
          const secure = track(new tls.TLSSocket(raw, { ...certificate, isServer: true }));
          secure.on('data', (bytes: Buffer) => secure.write(`echo ${String(bytes)}`));
        });
      });
      const raw = track(net.connect(portOf(server), '127.0.0.1'));
      raw.write('starttls');
      await once(raw, 'data');
      let seen = 0;
      attach(raw, () => seen++);
      const secure = track(Above.connect({ socket: raw, ca, host: 'localhost' }));
      secure.write('early');
      t.is(String((await once(secure, 'data'))[0]), 'echo early');
      t.is(seen, 0);
      t.is(secure.remotePort, raw.remotePort);
      t.is(secure.localAddress, '127.0.0.1');
      secure.destroy();
      await closeOf(raw);
    });
  }
}

test.serial('TLS over a socket that is still connecting', async (t) => {
  const server = track(tls.createServer(certificate, (secure) => track(secure).end('hello')));
  server.on('connection', track);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const raw = track(net.connect(portOf(server), '127.0.0.1'));
  const secure = track(coreTls.connect({ socket: raw, ca, host: 'localhost' }));
  t.true(secure.connecting);
  t.is(await textOf(secure), 'hello');
});

test.serial('a connect that fails is the TLSSocket’s failure', async (t) => {
  const server = await listening();
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  const told = async (module: typeof coreTls) => {
    const socket = module.connect({ port, host: '127.0.0.1' });
    const events: unknown[] = [];
    socket.on('error', ({ code, syscall, address }: NodeJS.ErrnoException & { address?: string }) =>
      events.push(code, syscall, address),
    );
    events.push(await closeOf(socket));
    return events;
  };
  t.deepEqual(await told(tls), await told(coreTls));
});

test.serial('tls.connect({ onread }): bytes go into the caller’s buffer', async (t) => {
  const sent = 'x'.repeat(100_000);
  const server = track(tls.createServer(certificate, (secure) => track(secure).end(sent)));
  server.on('connection', track);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const buffer = Buffer.alloc(1000);
  let received = '';
  const onread = {
    buffer,
    callback(length: number, given: Uint8Array) {
      if (given !== buffer) t.fail();
      received += buffer.toString('latin1', 0, length);
      return true;
    },
  };
  const options = { port: portOf(server), host: '127.0.0.1', ca, onread };
  const client = track(tls.connect(options as coreTls.ConnectionOptions));
  await once(client, 'end');
  t.is(received, sent);
});

test.serial('a session is resumed', async (t) => {
  const server = track(tls.createServer(certificate, (secure) => track(secure).end('x')));
  server.on('connection', track);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const options = { port: portOf(server), host: '127.0.0.1', ca, servername: 'localhost' };
  const first = track(tls.connect(options)).resume();
  const [session] = (await once(first, 'session')) as [Buffer];
  await closeOf(first);
  const second = track(tls.connect({ ...options, session })).resume();
  await once(second, 'secureConnect');
  t.true(second.isSessionReused());
  await closeOf(second);
});

test.serial('child_process is given another, which is one of libuv’s', async (t) => {
  const child = fork(path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'net', 'apps', 'tell-handle.mjs'), {
    execArgv: [],
  });
  const { client } = await pair();
  handleOf(client);
  child.send('message', client, { keepOpen: true });
  const [answer] = (await once(child, 'message')) as [string];
  t.is(answer, 'a handle');
  child.disconnect();
  await once(child, 'exit');
});
