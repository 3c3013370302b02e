import assert from 'node:assert';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import got from 'got';
import { certificate, digest, drained, folder, listening, pattern, streamOf } from './_help.mjs';
import { pipeline } from 'node:stream/promises';
import { PassThrough } from 'node:stream';

const bytes = pattern(1_000_000);

async function serve(t, handler, ...args) {
  return `http://127.0.0.1:${await listening(t, http.createServer(handler), ...args)}`;
}

test('bodies each way, and compressed ones', async (t) => {
  const url = await serve(t, (incoming, response) => {
    if (incoming.method === 'POST') return incoming.pipe(response);
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync(bytes));
  });
  assert.equal(digest((await got.post(url, { body: bytes, responseType: 'buffer' })).body), digest(bytes));
  assert.equal(digest((await got(url, { responseType: 'buffer' })).body), digest(bytes));
});

test('a stream each way', async (t) => {
  const url = await serve(t, (incoming, response) => incoming.pipe(response));
  const back = new PassThrough();
  const whole = drained(back);
  await pipeline(streamOf(bytes), got.stream.post(url), back);
  assert.equal(digest(await whole), digest(bytes));
});

test('a server that fails is asked again', async (t) => {
  let asked = 0;
  const url = await serve(t, (incoming, response) => {
    if (++asked === 1) return incoming.socket.destroy();
    if (asked === 2) return response.writeHead(503).end();
    response.end('well');
  });
  assert.equal(
    await got(url, { retry: { limit: 3, calculateDelay: ({ computedValue }) => computedValue && 10 } }).text(),
    'well',
  );
  assert.equal(asked, 3);
});

test('every phase has its time-out', async (t) => {
  const url = await serve(t, (incoming, response) => {
    if (incoming.url === '/body') response.write('some');
  });
  const never = { retry: { limit: 0 } };
  await assert.rejects(got(url, { ...never, timeout: { response: 50 } }), { code: 'ETIMEDOUT', event: 'response' });
  await assert.rejects(got(`${url}/body`, { ...never, timeout: { request: 80 } }), { code: 'ETIMEDOUT', event: 'request' });
  await assert.rejects(got(url, { ...never, timeout: { socket: 50 } }), { code: 'ETIMEDOUT', event: 'socket' });
});

test('phases are timed', async (t) => {
  const url = await serve(t, (incoming, response) => response.end('well'));
  const { timings } = await got(url);
  for (const phase of ['wait', 'dns', 'tcp', 'request', 'firstByte', 'download', 'total']) {
    assert.equal(typeof timings.phases[phase], 'number', phase);
  }
});

test('progress is told', async (t) => {
  const url = await serve(t, (incoming, response) => {
    response.setHeader('content-length', bytes.length);
    incoming.resume().on('end', () => response.end(bytes));
  });
  const seen = { up: [], down: [] };
  await got
    .post(url, { body: bytes, responseType: 'buffer' })
    .on('uploadProgress', ({ transferred }) => seen.up.push(transferred))
    .on('downloadProgress', ({ transferred }) => seen.down.push(transferred));
  assert.equal(seen.up.at(-1), bytes.length);
  assert.equal(seen.down.at(-1), bytes.length);
});

test('a UNIX socket', async (t) => {
  const place = path.join(folder(), 'http.sock');
  await serve(t, (incoming, response) => response.end(incoming.url), place);
  assert.equal(await got(`unix:${place}:/there`, { enableUnixSockets: true }).text(), '/there');
});

test('a cancelled request destroys its socket', async (t) => {
  let gone;
  const closed = new Promise((resolve) => (gone = resolve));
  const url = await serve(t, (incoming) => incoming.socket.on('close', gone));
  const request = got(url);
  setTimeout(() => request.cancel(), 30);
  await assert.rejects(request, { name: 'CancelError' });
  await closed;
});

test('TLS with an agent kept alive, and HTTP/2', async (t) => {
  const files = certificate();
  const server = https.createServer(files, (incoming, response) => response.end(`${incoming.socket.remotePort}`));
  const url = `https://localhost:${await listening(t, server)}`;
  const agent = { https: new https.Agent({ keepAlive: true, maxSockets: 1 }) };
  const ask = () => got(url, { agent, https: { certificateAuthority: files.cert } }).text();
  const first = await ask();
  assert.equal(await ask(), first);
  agent.https.destroy();

  const second = http2.createSecureServer({ ...files, allowHTTP1: true }, (incoming, response) =>
    response.end(incoming.httpVersion),
  );
  const url2 = `https://localhost:${await listening(t, second)}`;
  const sessions = [];
  second.on('session', (session) => sessions.push(session));
  assert.equal(await got(url2, { http2: true, https: { certificateAuthority: files.cert } }).text(), '2.0');
  sessions.forEach((session) => session.destroy());
});

test('a refused connection and a name that is not there', async () => {
  await assert.rejects(got('http://127.0.0.1:1', { retry: { limit: 0 } }), { code: 'ECONNREFUSED' });
  const dnsLookup = (_, __, done) => done(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
  await assert.rejects(got('http://nowhere.invalid', { retry: { limit: 0 }, dnsLookup }), { code: 'ENOTFOUND' });
});
