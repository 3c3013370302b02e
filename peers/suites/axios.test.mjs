import assert from 'node:assert';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import axios from 'axios';
import { digest, drained, folder, listening, pattern, streamOf } from './_help.mjs';

const bytes = pattern(1_000_000);
const serve = async (t, handler, ...args) => `http://127.0.0.1:${await listening(t, http.createServer(handler), ...args)}`;

test('bodies and streams each way', async (t) => {
  const url = await serve(t, (incoming, response) => incoming.pipe(response));
  const whole = await axios.post(url, bytes, { responseType: 'arraybuffer' });
  assert.equal(digest(whole.data), digest(bytes));
  const { data } = await axios.post(url, streamOf(bytes), { responseType: 'stream' });
  assert.equal(digest(await drained(data)), digest(bytes));
});

test('redirects, statuses and time-outs', async (t) => {
  const url = await serve(t, (incoming, response) => {
    if (incoming.url === '/never') return;
    if (incoming.url === '/there') return response.end('{"well":true}');
    if (incoming.url === '/wrong') return response.writeHead(422).end('{"why":"wrong"}');
    response.writeHead(307, { location: '/there' }).end();
  });
  assert.deepEqual((await axios.get(url)).data, { well: true });
  await assert.rejects(
    axios.get(`${url}/wrong`),
    (error) => error.response.status === 422 && error.response.data.why === 'wrong',
  );
  await assert.rejects(axios.get(`${url}/never`, { timeout: 50 }), { code: 'ECONNABORTED' });
});

test('aborts, limits, broken answers', async (t) => {
  const url = await serve(t, (incoming, response) => {
    if (incoming.url === '/break')
      return response.writeHead(200, { 'content-length': 10 }).write('some', () => response.destroy());
    if (incoming.url === '/long') return response.end(bytes);
  });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(axios.get(url, { signal: controller.signal }), { code: 'ERR_CANCELED' });
  await assert.rejects(axios.get(`${url}/long`, { maxContentLength: 1000 }), { code: 'ERR_BAD_RESPONSE' });
  await assert.rejects(axios.get(`${url}/break`));
  await assert.rejects(axios.get('http://127.0.0.1:1'), { code: 'ECONNREFUSED' });
});

test('a UNIX socket, a proxy', async (t) => {
  const socketPath = path.join(folder(), 'http.sock');
  await serve(t, (incoming, response) => response.end(`"${incoming.url}"`), socketPath);
  assert.equal((await axios.get('http://localhost/there', { socketPath })).data, '/there');
  const url = await serve(t, (incoming, response) => response.end(`"${incoming.url}"`));
  const proxy = { host: '127.0.0.1', port: Number(new URL(url).port), protocol: 'http' };
  assert.equal((await axios.get('http://elsewhere.invalid/x', { proxy })).data, 'http://elsewhere.invalid/x');
});

test('two hundred at once over an agent of ten', async (t) => {
  const url = await serve(t, (incoming, response) => setTimeout(() => response.end(`"${incoming.url}"`), 1));
  const httpAgent = new http.Agent({ keepAlive: true, maxSockets: 10 });
  const answers = await Promise.all(Array.from({ length: 200 }, (_, number) => axios.get(`${url}/${number}`, { httpAgent })));
  answers.forEach(({ data }, number) => assert.equal(data, `/${number}`));
  httpAgent.destroy();
});
