import assert from 'node:assert';
import http from 'node:http';
import { test } from 'node:test';
import Koa from 'koa';
import request from 'supertest';
import { digest, drained, listening, pattern, streamOf } from './_help.mjs';

const bytes = pattern(900_000);

function application() {
  const app = new Koa();
  app.silent = true;
  app.use(async (context) => {
    switch (context.path) {
      case '/json':
        return (context.body = { ip: context.ip, secure: context.secure, length: context.length ?? 0 });
      case '/stream':
        return (context.body = streamOf(bytes));
      case '/echo':
        return (context.body = context.req);
      case '/throws':
        return context.throw(418, 'no coffee');
      case '/respond':
        context.respond = false;
        context.res.statusCode = 200;
        return context.res.end('by hand');
      default:
    }
  });
  return app;
}

test('answers', async () => {
  const call = request(application().callback());
  assert.match((await call.get('/json').expect(200)).body.ip, /127\.0\.0\.1$/);
  await call.get('/throws').expect(418, 'no coffee');
  await call.get('/respond').expect(200, 'by hand');
  await call.get('/other').expect(404);
});

test('streams', async (t) => {
  const port = await listening(t, http.createServer(application().callback()));
  const get = http.get({ port, path: '/stream' });
  const [response] = await new Promise((resolve) => get.on('response', (answer) => resolve([answer])));
  assert.equal(digest(await drained(response)), digest(bytes));
  const post = http.request({ port, path: '/echo', method: 'POST' });
  streamOf(bytes).pipe(post);
  const echoed = await new Promise((resolve) => post.on('response', resolve));
  assert.equal(digest(await drained(echoed)), digest(bytes));
});

test('a client that goes in the middle destroys the body', async (t) => {
  const app = new Koa();
  app.silent = true;
  let gone;
  const destroyed = new Promise((resolve) => (gone = resolve));
  app.use((context) => {
    const body = streamOf(pattern(50_000_000), 65_536);
    body.on('close', gone);
    context.body = body;
  });
  const port = await listening(t, http.createServer(app.callback()));
  http.get({ port }, (response) => response.once('data', () => response.destroy())).on('error', () => {});
  await destroyed;
});
