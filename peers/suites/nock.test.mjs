import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { afterEach, test } from 'node:test';
import nock from 'nock';
import { drained, listening } from './_help.mjs';

afterEach(() => {
  nock.cleanAll();
  nock.enableNetConnect();
  nock.restore();
  nock.activate();
});

const ask = async (url, options = {}, body) => {
  const request = (url.startsWith('https') ? https : http).request(url, options);
  request.end(body);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, body: String(await drained(response)) };
};

test('an answer made up', async () => {
  nock('http://example.test')
    .get('/a')
    .reply(200, 'made up')
    .post('/b', 'sent')
    .reply(201, (_, body) => `had ${body}`);
  assert.deepEqual(await ask('http://example.test/a'), { status: 200, body: 'made up' });
  assert.deepEqual(await ask('http://example.test/b', { method: 'POST' }, 'sent'), { status: 201, body: 'had sent' });
  nock('https://example.test').get('/').reply(200, { secure: true });
  assert.equal((await ask('https://example.test/')).body, '{"secure":true}');
});

test('an error made up, a delay made up', async () => {
  nock('http://example.test')
    .get('/error')
    .replyWithError(Object.assign(new Error('made up'), { code: 'ETIMEDOUT' }));
  await assert.rejects(ask('http://example.test/error'), { code: 'ETIMEDOUT' });
  nock('http://example.test').get('/late').delayConnection(50).reply(200, 'late');
  const request = http.get('http://example.test/late', { timeout: 10 });
  const [response] = await Promise.all([once(request, 'response'), once(request, 'timeout')]);
  assert.equal(String(await drained(response[0])), 'late');
});

test('what is allowed goes to the network, the rest does not', async (t) => {
  const port = await listening(
    t,
    http.createServer((_, response) => response.end('real')),
  );
  nock('http://example.test').get('/').reply(200, 'made up');
  assert.equal((await ask(`http://127.0.0.1:${port}/`)).body, 'real');
  nock.disableNetConnect();
  await assert.rejects(ask(`http://127.0.0.1:${port}/`), { code: 'ENETUNREACH' });
});

test('real requests are recorded', async (t) => {
  const port = await listening(
    t,
    http.createServer((_, response) => response.end('real')),
  );
  nock.restore();
  nock.recorder.rec({ dont_print: true, output_objects: true });
  await ask(`http://127.0.0.1:${port}/path`);
  nock.restore();
  const [call] = nock.recorder.play();
  nock.recorder.clear();
  assert.deepEqual([call.path, call.response, call.status], ['/path', 'real', 200]);
});

test('sockets made up have what code asks of them', async () => {
  nock('http://example.test').get('/').reply(200, 'made up');
  const request = http.get('http://example.test/');
  const [socket] = await once(request, 'socket');
  socket.setKeepAlive(true);
  socket.setNoDelay(true);
  socket.unref();
  socket.ref();
  const [response] = await once(request, 'response');
  assert.equal(String(await drained(response)), 'made up');
});
