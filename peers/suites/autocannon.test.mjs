import assert from 'node:assert';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import autocannon from 'autocannon';
import { certificate, folder, listening } from './_help.mjs';

const serve = (t, handler, ...args) => listening(t, http.createServer(handler), ...args);

for (const pipelining of [1, 10]) {
  test(`a number of requests, ${pipelining} under way at once`, async (t) => {
    let served = 0;
    const port = await serve(t, (_, response) => {
      served++;
      response.end('well');
    });
    const result = await autocannon({ url: `http://127.0.0.1:${port}`, connections: 10, pipelining, amount: 2000 });
    // It loses count of some that were pipelined.
    assert.ok(result['2xx'] >= 1900 && result['2xx'] <= 2000, String(result['2xx']));
    assert.deepEqual([result.errors, result.timeouts, result.non2xx], [0, 0, 0]);
    assert.ok(served >= 1900);
  });
}

test('bodies, over TLS and over a UNIX socket', async (t) => {
  const body = 'x'.repeat(20_000);
  const answer = async (incoming, response) => {
    let length = 0;
    for await (const chunk of incoming) length += chunk.length;
    response.statusCode = length === body.length ? 200 : 400;
    response.end();
  };
  const secure = await listening(t, https.createServer(certificate(), answer));
  const over = await autocannon({ url: `https://127.0.0.1:${secure}`, method: 'POST', body, amount: 200, connections: 4 });
  assert.deepEqual([over['2xx'], over.errors], [200, 0]);
  const socketPath = path.join(folder(), 'http.sock');
  await serve(t, answer, socketPath);
  const unix = await autocannon({ url: 'http://localhost', socketPath, method: 'POST', body, amount: 200, connections: 4 });
  assert.deepEqual([unix['2xx'], unix.errors], [200, 0]);
});

test('answers that are late count as time-outs, connections that break off as errors', async (t) => {
  const late = await serve(t, () => {});
  assert.ok((await autocannon({ url: `http://127.0.0.1:${late}`, connections: 2, duration: 2, timeout: 1 })).timeouts >= 2);
  const broken = await serve(t, (incoming) => incoming.socket.destroy());
  const result = await autocannon({ url: `http://127.0.0.1:${broken}`, connections: 2, amount: 20 });
  assert.equal(result['2xx'], 0);
});

test('several workers', async (t) => {
  const port = await serve(t, (_, response) => response.end('well'));
  const result = await autocannon({ url: `http://127.0.0.1:${port}`, connections: 4, workers: 2, amount: 400 });
  assert.deepEqual([result['2xx'], result.errors], [400, 0]);
});
