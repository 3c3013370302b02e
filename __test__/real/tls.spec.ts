// TLS over our sockets: names, protocols, sessions and client certificates, between ourselves and with openssl at the other end.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createHash } from 'node:crypto';
import http2 from 'iouring-transport/http2';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';
import type { ExecutionContext } from 'ava';
import { writeFileSync } from 'node:fs';
import { makeCertificates } from '../_certificates.ts';
import { folder, freePort, runTool, settled, start, testWith } from './_service.ts';

const test = testWith('openssl');

async function serve(t: ExecutionContext, options: tls.TlsOptions, listener: (socket: tls.TLSSocket) => void) {
  const { server: pair } = makeCertificates();
  const server = tls.createServer({ ...pair, ...options }, listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

test('SNI chooses the certificate, ALPN the protocol', async (t) => {
  const { ca, other } = makeCertificates();
  const { server, port } = await serve(t, { ALPNProtocols: ['ring/2', 'ring/1'] }, (socket) => {
    socket.end(`${String(socket.servername)} ${String(socket.alpnProtocol)} ${socket.remoteAddress}`);
  });
  server.addContext('other.test', other);
  const ask = async (servername: string, ALPNProtocols: string[]) => {
    const socket = tls.connect({ port, host: '127.0.0.1', ca, servername, ALPNProtocols });
    await once(socket, 'secureConnect');
    const subject = String(socket.getPeerCertificate().subject.CN);
    let text = '';
    for await (const chunk of socket.setEncoding('utf8')) text += String(chunk);
    return `${subject} ${text}`;
  };
  t.is(await ask('localhost', ['ring/1']), 'localhost localhost ring/1 127.0.0.1');
  t.is(await ask('other.test', ['ring/1', 'ring/2']), 'other.test other.test ring/2 127.0.0.1');
  await t.throwsAsync(ask('stranger.test', ['ring/1']), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  server.close();
  await once(server, 'close');
  await settled(t);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: a session is resumed`, async (t) => {
    const { ca } = makeCertificates();
    const { server, port } = await serve(t, { maxVersion: version, minVersion: version }, (socket) => socket.end('hello'));
    const visit = async (session?: Buffer) => {
      const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca, session });
      let ticket: Buffer | undefined;
      socket.on('session', (given: Buffer) => (ticket = given));
      await once(socket, 'secureConnect');
      const reused = socket.isSessionReused();
      socket.resume();
      await once(socket, 'close');
      return { ticket, reused };
    };
    const first = await visit();
    const second = await visit(first.ticket);
    t.deepEqual([first.reused, second.reused], [false, true]);
    server.close();
    await once(server, 'close');
    await settled(t);
  });
}

test('client certificates: taken, missing, not to be trusted', async (t) => {
  const { ca, client } = makeCertificates();
  const { server, port } = await serve(t, { ca, requestCert: true, rejectUnauthorized: true }, (socket) => {
    socket.on('error', () => {});
    socket.end(String(socket.getPeerCertificate().subject.CN));
  });
  const refused: string[] = [];
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => refused.push(String(error.code)));
  const visit = async (pair: object) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...pair });
    let text = '';
    for await (const chunk of socket.setEncoding('utf8')) text += String(chunk);
    return text;
  };
  t.is(await visit(client), 'client');
  await t.throwsAsync(visit({}));
  t.deepEqual(refused, ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE']);
  server.close();
  await once(server, 'close');
  await settled(t);
});

test('20 MB both ways through one connection, intact', async (t) => {
  const { ca } = makeCertificates();
  const { server, port } = await serve(t, {}, (socket) => socket.pipe(socket));
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
  const sent = createHash('sha256');
  const got = createHash('sha256');
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    got.update(chunk);
    bytes += chunk.length;
    if (bytes === 20_000_000) socket.end();
  });
  for (let i = 0; i < 200; i++) {
    const chunk = Buffer.alloc(100_000, i);
    sent.update(chunk);
    if (!socket.write(chunk)) await once(socket, 'drain');
  }
  await once(socket, 'close');
  t.is(got.digest('hex'), sent.digest('hex'));
  server.close();
  await once(server, 'close');
  await settled(t);
});

test('an upgrade in the middle of a connection, as STARTTLS does it', async (t) => {
  const { ca, server: pair } = makeCertificates();
  const server = net.createServer((socket) => {
    socket.once('data', () => {
      socket.write('go ahead\n');
      const secured = new tls.TLSSocket(socket, { isServer: true, ...pair });
      secured.on('data', (chunk: Buffer) => secured.end(`${String(chunk)} ${secured.remoteAddress}`));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const plain = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  plain.write('STARTTLS\n');
  await once(plain, 'data');
  const secured = tls.connect({ socket: plain, servername: 'localhost', ca });
  secured.write('secret');
  t.is(String((await once(secured, 'data'))[0]), 'secret 127.0.0.1');
  await once(secured, 'close');
  server.close();
  await once(server, 'close');
  await settled(t);
});

test('openssl s_client talks to our server', async (t) => {
  const { ca, client } = makeCertificates();
  const { server, port } = await serve(t, { ca, requestCert: true, ALPNProtocols: ['ring/1'] }, (socket) => {
    socket.once('data', (chunk: Buffer) =>
      socket.end(`got ${String(chunk)}from ${String(socket.getPeerCertificate().subject.CN)}`),
    );
  });
  const files = folder(t);
  writeFileSync(`${files}/ca`, ca);
  writeFileSync(`${files}/pair`, client.cert + client.key);
  const args = ['-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-CAfile', `${files}/ca`, '-cert', `${files}/pair`];
  const output = await runTool(
    'openssl',
    ['s_client', ...args, '-alpn', 'ring/1', '-verify_return_error', '-ign_eof'],
    'hello\n',
  );
  t.regex(output, /got hello\nfrom client/);
  t.regex(output, /ALPN protocol: ring\/1/);
  server.close();
  await once(server, 'close');
  await settled(t);
});

test('our client talks to openssl s_server', async (t) => {
  const { ca, server: pair } = makeCertificates();
  const files = folder(t);
  writeFileSync(`${files}/pair`, pair.cert + pair.key);
  const port = await freePort();
  await start(t, {
    command: 'openssl',
    args: ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', `${files}/pair`, '-rev'],
    ready: port,
  });
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
  socket.write('gnir\n');
  t.is(String((await once(socket, 'data'))[0]), 'ring\n');
  socket.destroy();
  await once(socket, 'close');
  await settled(t);
});

for (const secure of [false, true]) {
  test(`http2 both ways${secure ? ' over TLS' : ''}: 500 streams at once, a large body, pings`, async (t) => {
    const { ca, server: pair } = makeCertificates();
    const server = secure ? http2.createSecureServer(pair) : http2.createServer();
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const session = http2.connect(`${secure ? 'https' : 'http'}://localhost:${port}`, {
      ca,
      family: 4,
    } as http2.SecureClientSessionOptions);
    session.setMaxListeners(0);
    await once(session, 'connect');
    t.is(session.socket.remoteAddress, '127.0.0.1');
    const echo = async (body: Buffer) => {
      const stream = session.request({ ':method': 'POST', ':path': '/' });
      stream.end(body);
      const parts: Buffer[] = [];
      for await (const part of stream) parts.push(part as Buffer);
      return Buffer.concat(parts).equals(body);
    };
    const all = await Promise.all(Array.from({ length: 500 }, (_, i) => echo(Buffer.alloc(i * 20, i % 256))));
    t.true(all.every(Boolean));
    t.true(await echo(Buffer.alloc(5_000_000, 'ring')));
    t.true(await new Promise<boolean>((resolve) => session.ping((error) => resolve(error === null))));
    session.close();
    server.close();
    await once(server, 'close');
    await settled(t);
  });
}
