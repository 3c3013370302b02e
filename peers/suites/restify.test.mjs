import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import restify from 'restify';
import { atEnd, digest, drained, pattern } from './_help.mjs';

const ask = async (options, body) => {
  const request = http.request({ host: '127.0.0.1', ...options });
  request.end(body);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, body: await drained(response) };
};

async function serve(t, prepare) {
  const server = restify.createServer({ handleUncaughtExceptions: true });
  prepare(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => new Promise((resolve) => server.close(resolve)));
  return server.address().port;
}

test('routes and parsed bodies', async (t) => {
  const port = await serve(t, (server) => {
    server.use(restify.plugins.queryParser());
    server.use(restify.plugins.bodyParser());
    server.get('/hello/:name', (request, response, next) => {
      response.send({ name: request.params.name, query: request.query.a });
      next();
    });
    server.post('/echo', (request, response, next) => {
      response.send(request.body);
      next();
    });
  });
  assert.deepEqual(JSON.parse((await ask({ port, path: '/hello/you?a=1' })).body), { name: 'you', query: '1' });
  const sent = JSON.stringify(Array.from({ length: 3000 }, (_, number) => ({ number })));
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) };
  assert.equal(String((await ask({ port, path: '/echo', method: 'POST', headers }, sent)).body), sent);
  assert.equal((await ask({ port, path: '/absent' })).status, 404);
});

test('an exception of a handler is the answer of its own request', async (t) => {
  const port = await serve(t, (server) => {
    server.get('/throws', (_request, _response, _next) => {
      throw new Error('on purpose');
    });
    server.get('/late', (_request, _response, _next) => setImmediate(() => undefined.property));
    server.on('uncaughtException', (request, response, route, error) => response.send(500, error.message));
  });
  for (let turn = 0; turn < 3; turn++) {
    assert.equal(String((await ask({ port, path: '/throws' })).body), '"on purpose"');
    assert.equal((await ask({ port, path: '/late' })).status, 500);
  }
});

test('requests that are too many, and a long body', async (t) => {
  const bytes = pattern(400_000);
  const port = await serve(t, (server) => {
    server.pre(restify.plugins.throttle({ burst: 5, rate: 0.5, ip: true }));
    server.get('/', (request, response, next) => {
      response.sendRaw(200, bytes, { 'content-type': 'application/octet-stream' });
      next();
    });
  });
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ port })));
  const well = answers.filter(({ status }) => status === 200);
  assert.equal(well.length, 5);
  for (const { body } of well) assert.equal(digest(body), digest(bytes));
});
