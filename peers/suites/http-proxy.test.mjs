import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import httpProxy from 'http-proxy';
import { WebSocket, WebSocketServer } from 'ws';
import { atEnd, certificate, digest, drained, listening, pattern, streamOf } from './_help.mjs';

const bytes = pattern(2_000_000);

async function behind(t, handler, options = {}) {
  const target = http.createServer(handler);
  const port = await listening(t, target);
  const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${port}`, ...options });
  const front = http.createServer((incoming, response) => proxy.web(incoming, response));
  front.on('upgrade', (incoming, socket, head) => proxy.ws(incoming, socket, head));
  return { target, proxy, port: await listening(t, front) };
}

const ask = async (options, body) => {
  const request = http.request({ host: '127.0.0.1', ...options });
  if (body) streamOf(body).pipe(request);
  else request.end();
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, body: await drained(response) };
};

test('bodies each way', async (t) => {
  const { port } = await behind(t, (incoming, response) => incoming.pipe(response));
  for (let turn = 0; turn < 5; turn++) {
    assert.equal(digest((await ask({ port, method: 'POST' }, bytes)).body), digest(bytes));
  }
});

test('headers of the proxy', async (t) => {
  const { port } = await behind(t, (incoming, response) => response.end(incoming.headers['x-forwarded-for']), { xfwd: true });
  assert.match(String((await ask({ port })).body), /127\.0\.0\.1$/);
});

test('a target that is not there, one that breaks off, one that is slow', async (t) => {
  const { port, proxy } = await behind(t, (incoming) => (incoming.url === '/break' ? incoming.socket.destroy() : undefined), {
    proxyTimeout: 100,
  });
  const errors = [];
  proxy.on('error', (error, _, response) => {
    errors.push(error.code);
    response.writeHead(502).end();
  });
  assert.equal((await ask({ port, path: '/break' })).status, 502);
  assert.equal((await ask({ port, path: '/slow' })).status, 502);
  assert.deepEqual(errors, ['ECONNRESET', 'ECONNRESET']);
  const none = httpProxy.createProxyServer({ target: 'http://127.0.0.1:1' });
  const front = http.createServer((incoming, response) => none.web(incoming, response, {}, (error) => response.end(error.code)));
  assert.equal(String((await ask({ port: await listening(t, front) })).body), 'ECONNREFUSED');
});

test('WebSockets', async (t) => {
  const { target, port } = await behind(t, () => {});
  new WebSocketServer({ server: target }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');
  socket.send(bytes);
  assert.ok(bytes.equals((await once(socket, 'message'))[0]));
  socket.close();
  await once(socket, 'close');
});

test('from TLS to TLS', async (t) => {
  const files = certificate();
  const target = https.createServer(files, (incoming, response) => incoming.pipe(response));
  const proxy = httpProxy.createServer({ target: `https://localhost:${await listening(t, target)}`, ssl: files, secure: false });
  proxy.listen(0, '127.0.0.1');
  const server = proxy._server;
  await once(server, 'listening');
  atEnd(t, () => proxy.close());
  const request = https.request({ port: server.address().port, method: 'POST', ca: files.cert, host: 'localhost' });
  streamOf(bytes).pipe(request);
  const [response] = await once(request, 'response');
  assert.equal(digest(await drained(response)), digest(bytes));
});
