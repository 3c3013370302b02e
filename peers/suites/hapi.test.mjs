import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import Hapi from '@hapi/hapi';
import { atEnd, digest, drained, pattern, streamOf } from './_help.mjs';

const bytes = pattern(1_000_000);

async function serve(t, routes, options = {}) {
  const server = Hapi.server({ port: 0, host: '127.0.0.1', debug: false, ...options });
  server.route(routes);
  await server.start();
  atEnd(t, () => server.stop({ timeout: 100 }));
  return server;
}

const ask = async (port, options = {}, body) => {
  const request = http.request({ host: '127.0.0.1', port, ...options });
  if (body) streamOf(body).pipe(request);
  else request.end();
  const [response] = await once(request, 'response');
  return { status: response.statusCode, body: await drained(response) };
};

test('answers, real and injected', async (t) => {
  const server = await serve(t, { method: 'GET', path: '/{name}', handler: (request) => ({ name: request.params.name }) });
  assert.equal(String((await ask(server.info.port, { path: '/you' })).body), '{"name":"you"}');
  assert.deepEqual((await server.inject('/you')).result, { name: 'you' });
  assert.equal((await ask(server.info.port, { path: '/a/b' })).status, 404);
});

test('payloads, streamed and limited', async (t) => {
  const server = await serve(t, [
    {
      method: 'POST',
      path: '/',
      options: { payload: { output: 'stream', parse: false, maxBytes: 2_000_000 } },
      handler: (request) => request.payload,
    },
    { method: 'POST', path: '/small', options: { payload: { maxBytes: 1000 } }, handler: () => 'never' },
  ]);
  assert.equal(digest((await ask(server.info.port, { method: 'POST' }, bytes)).body), digest(bytes));
  const headers = { 'content-length': 2000, 'content-type': 'text/plain' };
  assert.equal((await ask(server.info.port, { method: 'POST', path: '/small', headers }, bytes.subarray(0, 2000))).status, 413);
});

test('a handler that fails, one that is too slow', async (t) => {
  const server = await serve(t, [
    {
      method: 'GET',
      path: '/throws',
      handler() {
        throw new Error('on purpose');
      },
    },
    {
      method: 'GET',
      path: '/slow',
      options: { timeout: { server: 50 } },
      handler: () => new Promise((resolve) => setTimeout(resolve, 500, 'late')),
    },
  ]);
  assert.equal((await ask(server.info.port, { path: '/throws' })).status, 500);
  assert.equal((await ask(server.info.port, { path: '/slow' })).status, 503);
});

test('stopping waits for what is being answered and closes what is idle', async (t) => {
  const server = await serve(t, {
    method: 'GET',
    path: '/',
    handler: () => new Promise((resolve) => setTimeout(resolve, 60, 'done')),
  });
  const idle = net.connect(server.info.port, '127.0.0.1');
  await once(idle, 'connect');
  const gone = once(idle.resume(), 'close');
  const answer = ask(server.info.port);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await server.stop({ timeout: 1000 });
  assert.equal(String((await answer).body), 'done');
  await gone;
});

test('a client that goes is told to the handler', async (t) => {
  let told;
  const disconnected = new Promise((resolve) => (told = resolve));
  const server = await serve(t, {
    method: 'GET',
    path: '/',
    handler(request) {
      request.events.once('disconnect', told);
      return new Promise((resolve) => setTimeout(resolve, 300, 'late'));
    },
  });
  const request = http.get({ port: server.info.port, host: '127.0.0.1' });
  request.on('error', () => {});
  setTimeout(() => request.destroy(), 30);
  await disconnected;
});

test('a request that is no HTTP gets 400', async (t) => {
  const server = await serve(t, { method: 'GET', path: '/', handler: () => 'well' });
  const socket = net.connect(server.info.port, '127.0.0.1');
  socket.write('hello\n\n');
  assert.match(String(await drained(socket)), /^HTTP\/1\.1 400 /);
});
