// HTTP/2 sessions, over connections of their own and over sockets of ours that they are given: what is told when, and what sessions know of their connection.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { ClientHttp2Session, ClientHttp2Stream, Http2Server, ServerHttp2Session } from 'node:http2';
import test from 'ava';
import http2 from 'iouring-transport/http2';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';
import { makeCertificates } from '../_certificates.ts';
import { serveGiven } from '../_given.ts';

const { server: certificate, ca } = makeCertificates();

interface Ends {
  readonly server: Http2Server;
  readonly client: ClientHttp2Session;
  readonly session: ServerHttp2Session;
}

async function serve(secure: boolean, given: boolean): Promise<Ends> {
  const made = secure ? http2.createSecureServer(certificate) : http2.createServer();
  const server = given ? serveGiven(made) : made;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = given ? net.connect(port, '127.0.0.1') : undefined;
  const options = { ca, socket, host: '127.0.0.1', ALPNProtocols: ['h2'] };
  const createConnection = socket && (() => (secure ? tls.connect(options) : socket));
  const client = http2.connect(`http${secure ? 's' : ''}://127.0.0.1:${port}`, {
    ca,
    ...(createConnection && { createConnection }),
  });
  const [session] = (await once(server, 'session')) as [ServerHttp2Session];
  return { server, client, session };
}

/** What is told of a stream until its end. */
function eventsOf(stream: ClientHttp2Stream): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const events: string[] = [];
    for (const event of ['headers', 'response', 'data', 'trailers']) stream.on(event, () => events.push(event));
    stream.on('end', () => resolve(events)).on('error', reject);
  });
}

for (const [secure, given] of [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const) {
  const over = `${secure ? 'over TLS' : 'without TLS'}${given ? ', over sockets that were given' : ''}`;

  test.serial(`head, body and trailers that come together are told in order, ${over}`, async (t) => {
    const { server, client, session } = await serve(secure, given);
    t.is(session.socket.localPort, (server.address() as AddressInfo).port);
    server.on('stream', (stream) => {
      stream.additionalHeaders({ ':status': 103, link: 'x' });
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ tail: 'x' }));
      stream.end('body');
    });
    const all = await Promise.all(Array.from({ length: 20 }, () => eventsOf(client.request({ ':path': '/' }))));
    for (const events of all) t.deepEqual(events, ['headers', 'response', 'data', 'trailers']);
    client.close();
    server.close();
    await once(server, 'close');
  });

  test.serial(`ticks and microtasks run between the frames of one chunk, ${over}`, async (t) => {
    const { server, client } = await serve(secure, given);
    const order: string[] = [];
    server.on('stream', (stream) => {
      const { id } = stream;
      order.push(`stream ${id}`);
      process.nextTick(() => order.push(`tick ${id}`));
      queueMicrotask(() => order.push(`microtask ${id}`));
      stream.respond();
      stream.end();
    });
    const streams = Array.from({ length: 3 }, () => client.request({ ':path': '/' }).resume());
    await Promise.all(streams.map((stream) => once(stream, 'close')));
    t.deepEqual(
      order,
      [1, 3, 5].flatMap((id) => [`stream ${id}`, `tick ${id}`, `microtask ${id}`]),
    );
    client.close();
    server.close();
    await once(server, 'close');
  });

  test.serial(`a session that is destroyed right after a write says goodbye, ${over}`, async (t) => {
    t.timeout(5000);
    const { server, client } = await serve(secure, given);
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.respond();
      stream.write('body');
      const { session } = stream;
      setImmediate(() => session!.destroy(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM as never));
    });
    const stream = client.request();
    stream.on('error', () => {});
    stream.resume();
    client.on('error', () => {});
    const [code] = (await once(client, 'goaway')) as [number];
    t.is(code, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    client.destroy();
    server.close();
    await once(server, 'close');
  });
}
