import assert from 'node:assert';
import { createHash } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import net from 'node:net';
import { test } from 'node:test';
import {
  Agent,
  Client,
  fetch,
  FormData,
  Pool,
  pipeline,
  ProxyAgent,
  request,
  RetryAgent,
  stream,
  upgrade,
  WebSocket,
} from 'undici';
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

test('upgrade: the socket is ours from the head on', async (t) => {
  const server = http.createServer();
  server.on('upgrade', (incoming, socket, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfirst ');
    if (head.length > 0) socket.write(head);
    socket.pipe(socket);
  });
  const port = await listening(t, server);
  const { socket } = await upgrade(`http://127.0.0.1:${port}/`, { protocol: 'echo' });
  socket.end(bytes);
  const received = await drained(socket);
  assert.equal(received.subarray(0, 6).toString(), 'first ');
  assert.equal(digest(received.subarray(6)), digest(bytes));
});

/** A proxy that knows CONNECT alone. */
async function tunnel(t, seen = []) {
  const server = http.createServer();
  server.on('connect', (incoming, socket, head) => {
    seen.push(incoming.url);
    const [host, port] = incoming.url.split(':');
    const target = net.connect({ port: Number(port), host, allowHalfOpen: true }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.write(head);
      socket.pipe(target).pipe(socket);
    });
    target.on('error', () => socket.destroy());
    socket.on('error', () => target.destroy());
  });
  return listening(t, server);
}

test('CONNECT: bytes both ways', async (t) => {
  const target = await listening(
    t,
    net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)),
  );
  const client = new Client(`http://127.0.0.1:${await tunnel(t)}`);
  const { socket, statusCode } = await client.connect({ path: `127.0.0.1:${target}` });
  assert.equal(statusCode, 200);
  socket.end(bytes);
  assert.equal(digest(await drained(socket)), digest(bytes));
  await client.close();
});

test('ProxyAgent: HTTP and HTTPS through a tunnel', async (t) => {
  const seen = [];
  const proxy = await tunnel(t, seen);
  const files = certificate();
  const plain = await serve(t, (incoming, response) => incoming.pipe(response));
  const secure = await listening(
    t,
    https.createServer(files, (incoming, response) => incoming.pipe(response)),
  );
  const dispatcher = new ProxyAgent({ uri: `http://127.0.0.1:${proxy}`, proxyTunnel: true, requestTls: { ca: files.cert } });
  for (const url of [`http://127.0.0.1:${plain}/`, `https://localhost:${secure}/`]) {
    const { body } = await request(url, { dispatcher, method: 'POST', body: bytes });
    assert.equal(digest(Buffer.from(await body.arrayBuffer())), digest(bytes));
  }
  assert.deepEqual(seen, [`127.0.0.1:${plain}`, `localhost:${secure}`]);
  await dispatcher.close();
});

test('RetryAgent: an answer that breaks off goes on where it ended', async (t) => {
  let asked = 0;
  const port = await serve(t, (incoming, response) => {
    const from = Number(/bytes=(\d+)-/.exec(incoming.headers.range ?? '')?.[1] ?? 0);
    response.setHeader('etag', '"one"');
    response.setHeader('content-length', bytes.length - from);
    if (from > 0) response.setHeader('content-range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
    response.writeHead(from > 0 ? 206 : 200);
    if (asked++ > 0) return response.end(bytes.subarray(from));
    response.write(bytes.subarray(0, 300_000), () => setTimeout(() => response.destroy(), 50));
  });
  const dispatcher = new RetryAgent(new Agent(), { minTimeout: 10 });
  const { body } = await request(`http://127.0.0.1:${port}/`, { dispatcher });
  assert.equal(digest(Buffer.from(await body.arrayBuffer())), digest(bytes));
  assert.equal(asked, 2);
  await dispatcher.close();
});

test('WebSocket of undici: messages both ways, and the end', async (t) => {
  const server = http.createServer();
  server.on('upgrade', (incoming, socket) => {
    const accept = createHash('sha1').update(`${incoming.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    const head = ['HTTP/1.1 101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket'];
    socket.write([...head, `sec-websocket-accept: ${accept.digest('base64')}`, '', ''].join('\r\n'));
    socket.write(Buffer.from([0x81, 2, 0x68, 0x69]));
    socket.once('data', () => socket.end(Buffer.from([0x88, 2, 0x03, 0xe8])));
  });
  const socket = new WebSocket(`ws://127.0.0.1:${await listening(t, server)}/`);
  const message = await new Promise((resolve) => (socket.onmessage = resolve));
  assert.equal(message.data, 'hi');
  const closed = new Promise((resolve) => (socket.onclose = resolve));
  socket.send('enough');
  assert.equal((await closed).code, 1000);
});

test('Client: requests that are aborted at every stage', async (t) => {
  const port = await serve(t, (incoming, response) => {
    if (incoming.url === '/body') response.write('some');
    if (incoming.url === '/') response.end('well');
  });
  const client = new Client(`http://127.0.0.1:${port}`);
  for (const [path, wait] of Object.entries({ '/never': 0, '/head': 20, '/body': 20 })) {
    const controller = new AbortController();
    const asked = client.request({ path, method: 'GET', signal: controller.signal });
    if (wait > 0) await sleep(wait);
    controller.abort();
    await assert.rejects(async () => (await asked).body.text(), { name: 'AbortError' });
  }
  const { body } = await client.request({ path: '/', method: 'GET' });
  assert.equal(await body.text(), 'well');
  await client.close();
});

test('Pool: destroyed with requests in flight', async (t) => {
  const port = await serve(t, () => {});
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 4 });
  const asked = Array.from({ length: 20 }, () => pool.request({ path: '/', method: 'GET' }));
  const outcomes = Promise.allSettled(asked);
  await sleep(30);
  await pool.destroy(new Error('enough'));
  assert.deepEqual([...new Set((await outcomes).map(({ reason }) => reason.message))], ['enough']);
});
