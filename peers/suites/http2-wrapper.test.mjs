import assert from 'node:assert';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { test } from 'node:test';
import wrapper from 'http2-wrapper';
import { atEnd, certificate, digest, drained, listening, pattern } from './_help.mjs';

const files = certificate();
const bytes = pattern(1_000_000);

async function second(t) {
  const sessions = new Set();
  const server = http2.createSecureServer({ ...files, allowHTTP1: true }, (incoming, response) => {
    response.setHeader('version', incoming.httpVersion);
    incoming.pipe(response);
  });
  server.on('session', (session) => sessions.add(session));
  const port = await listening(t, server);
  atEnd(t, () => sessions.forEach((session) => session.destroy()));
  return { server, port };
}

const ask = async (made, body) => {
  const request = await made;
  request.end(body);
  const [response] = await once(request, 'response');
  return { headers: response.headers, body: await drained(response) };
};

test('what the server speaks is found out', async (t) => {
  const { port } = await second(t);
  const first = https.createServer(files, (incoming, response) => response.end(incoming.httpVersion));
  const old = await listening(t, first);
  const options = { ca: files.cert, servername: 'localhost', method: 'POST' };
  const new_ = await ask(wrapper.auto(`https://localhost:${port}/`, options), bytes);
  assert.equal(new_.headers.version, '2.0');
  assert.equal(digest(new_.body), digest(bytes));
  assert.equal(String((await ask(wrapper.auto(`https://localhost:${old}/`, options), 'x')).body), '1.1');
});

test('requests at once share a session', async (t) => {
  const { server, port } = await second(t);
  let sessions = 0;
  server.on('session', () => sessions++);
  const agent = new wrapper.Agent();
  atEnd(t, () => agent.destroy());
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, number) =>
      ask(wrapper.request(`https://localhost:${port}/`, { agent, ca: files.cert, method: 'POST' }), pattern(1000 * number)),
    ),
  );
  answers.forEach(({ body }, number) => assert.equal(digest(body), digest(pattern(1000 * number))));
  assert.equal(sessions, 1);
});

test('a session has the addresses of its socket', async (t) => {
  const { port } = await second(t);
  const session = http2.connect(`https://localhost:${port}`, { ca: files.cert });
  await once(session, 'connect');
  assert.equal(session.socket.remotePort, port);
  assert.match(session.socket.remoteAddress, /127\.0\.0\.1|::1/);
  session.close();
  await once(session, 'close');
});

test('through a tunnel of another server', async (t) => {
  const { port } = await second(t);
  const tunnel = net.createServer((socket) => {
    const on = net.connect(port, '127.0.0.1');
    socket.pipe(on).pipe(socket);
    for (const end of [socket, on]) end.on('error', () => {});
  });
  const place = await listening(t, tunnel);
  const session = http2.connect(`https://localhost:${port}`, {
    ca: files.cert,
    createConnection: () =>
      wrapper.globalAgent.constructor.connect(new URL(`https://localhost:${place}`), {
        ca: files.cert,
        ALPNProtocols: ['h2'],
        servername: 'localhost',
      }),
  });
  const stream = session.request({ ':method': 'POST' });
  stream.end(bytes);
  assert.equal(digest(await drained(stream)), digest(bytes));
  session.destroy();
});

test('cancelled requests', async (t) => {
  const { port } = await second(t);
  const request = wrapper.request(`https://localhost:${port}/`, { ca: files.cert, method: 'POST' });
  request.on('error', () => {});
  request.write('some');
  const [response] = await once(request, 'response');
  request.destroy();
  await once(response.resume(), 'close');
});
