import assert from 'node:assert';
import http from 'node:http';
import http2 from 'node:http2';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Agent, Client, fetch, FormData, Pool, pipeline, request, stream } from 'undici';
import { certificate, closedPort, digest, drained, folder, listening, pattern, streamOf } from './_help.mjs';
import { Writable } from 'node:stream';

const bytes = pattern(2_000_000);

function serve(t, handler, ...args) {
  return listening(t, http.createServer(handler), ...args);
}

test('fetch: a body each way', async (t) => {
  const port = await serve(t, (incoming, response) => incoming.pipe(response));
  const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: bytes });
  assert.equal(digest(Buffer.from(await response.arrayBuffer())), digest(bytes));
});

test('fetch: a stream as the body', async (t) => {
  const port = await serve(t, (incoming, response) => incoming.pipe(response));
  const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: streamOf(bytes), duplex: 'half' });
  assert.equal(digest(Buffer.from(await response.arrayBuffer())), digest(bytes));
});

test('fetch: a form', async (t) => {
  const port = await serve(t, async (incoming, response) => {
    const body = await drained(incoming);
    response.end(String(body.includes('filename="a.bin"') && body.includes(bytes.subarray(0, 100_000))));
  });
  const form = new FormData();
  form.set('file', new Blob([bytes.subarray(0, 100_000)]), 'a.bin');
  const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: form });
  assert.equal(await response.text(), 'true');
});

test('fetch: redirects are followed', async (t) => {
  const port = await serve(t, (incoming, response) => {
    if (incoming.url === '/end') return response.end('here');
    response.writeHead(302, { location: incoming.url === '/' ? '/second' : '/end' }).end();
  });
  const response = await fetch(`http://127.0.0.1:${port}`);
  assert.deepEqual([await response.text(), response.redirected], ['here', true]);
});

test('fetch: an abort ends the body', async (t) => {
  const port = await serve(t, (incoming, response) => {
    response.write('some');
  });
  const controller = new AbortController();
  const response = await fetch(`http://127.0.0.1:${port}`, { signal: controller.signal });
  const text = response.text();
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(text, { name: 'AbortError' });
});

test('fetch: a refused connection', async () => {
  await assert.rejects(fetch(`http://127.0.0.1:${await closedPort()}`), (error) => error.cause.code === 'ECONNREFUSED');
});

test('fetch: an answer that breaks off', async (t) => {
  const port = await serve(t, (incoming, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('some', () => response.destroy());
  });
  const response = await fetch(`http://127.0.0.1:${port}`);
  await assert.rejects(response.text());
});

test('Client: pipelining keeps the order', async (t) => {
  const port = await serve(t, (incoming, response) => setTimeout(() => response.end(incoming.url), Math.random() * 5));
  const client = new Client(`http://127.0.0.1:${port}`, { pipelining: 10 });
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, number) => {
      const { body } = await client.request({ path: `/${number}`, method: 'GET' });
      return body.text();
    }),
  );
  assert.deepEqual(
    answers,
    Array.from({ length: 200 }, (_, number) => `/${number}`),
  );
  await client.close();
});

test('Client: a server that goes is reconnected to', async (t) => {
  let connections = 0;
  const port = await serve(t, (incoming, response) => {
    if (incoming.url === '/go') return incoming.socket.destroy();
    response.end('well');
  }).then((port) => port);
  const client = new Client(`http://127.0.0.1:${port}`);
  client.on('connect', () => connections++);
  await assert.rejects(client.request({ path: '/go', method: 'GET' }), { code: 'UND_ERR_SOCKET' });
  const { body } = await client.request({ path: '/', method: 'GET' });
  assert.equal(await body.text(), 'well');
  assert.equal(connections, 2);
  await client.close();
});

test('Client: time-outs of the head and of the body', async (t) => {
  const port = await serve(t, (incoming, response) => {
    if (incoming.url === '/body') response.write('some');
  });
  const client = new Client(`http://127.0.0.1:${port}`, { headersTimeout: 500, bodyTimeout: 500 });
  await assert.rejects(client.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_HEADERS_TIMEOUT' });
  const { body } = await client.request({ path: '/body', method: 'GET' });
  await assert.rejects(body.text(), { code: 'UND_ERR_BODY_TIMEOUT' });
  await client.destroy();
});

test('Pool: many at once', async (t) => {
  const port = await serve(t, (incoming, response) => incoming.pipe(response));
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 20, pipelining: 2 });
  const answers = await Promise.all(
    Array.from({ length: 400 }, async (_, number) => {
      const sent = pattern(1000 + number * 7, number);
      const { body } = await pool.request({ path: '/', method: 'POST', body: sent });
      return sent.equals(Buffer.from(await body.arrayBuffer()));
    }),
  );
  assert.ok(answers.every(Boolean));
  await pool.close();
});

test('Agent: a UNIX socket', async (t) => {
  const place = path.join(folder(), 'http.sock');
  await serve(t, (incoming, response) => response.end('over UNIX'), place);
  const dispatcher = new Agent({ connect: { socketPath: place } });
  const { body } = await request('http://localhost/', { dispatcher });
  assert.equal(await body.text(), 'over UNIX');
  await dispatcher.close();
});

test('stream and pipeline', async (t) => {
  const port = await serve(t, (incoming, response) => incoming.pipe(response));
  const chunks = [];
  await stream(
    { origin: `http://127.0.0.1:${port}`, path: '/', method: 'POST', body: streamOf(bytes) },
    () =>
      new Writable({
        write(chunk, _, callback) {
          chunks.push(chunk);
          setImmediate(callback);
        },
      }),
  );
  assert.equal(digest(Buffer.concat(chunks)), digest(bytes));
  const duplex = pipeline(`http://127.0.0.1:${port}/`, { method: 'POST' }, ({ body }) => body);
  streamOf(bytes).pipe(duplex);
  assert.equal(digest(await drained(duplex)), digest(bytes));
});

test('HTTP/2 over TLS', async (t) => {
  const files = certificate();
  const server = http2.createSecureServer({ ...files, allowHTTP1: true }, (incoming, response) => {
    response.setHeader('version', incoming.httpVersion);
    incoming.pipe(response);
  });
  const port = await listening(t, server);
  const dispatcher = new Agent({ allowH2: true, connect: { ca: files.cert } });
  const { body, headers } = await request(`https://localhost:${port}/`, { dispatcher, method: 'POST', body: bytes });
  assert.equal(digest(Buffer.from(await body.arrayBuffer())), digest(bytes));
  assert.equal(headers.version, '2.0');
  await dispatcher.destroy();
  await sleep(10);
});
