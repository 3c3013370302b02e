import assert from 'node:assert';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import express from 'express';
import request from 'supertest';
import { digest, folder, pattern } from './_help.mjs';

const bytes = pattern(700_000);
const binary = (response, done) => {
  const chunks = [];
  response.on('data', (chunk) => chunks.push(chunk)).on('end', () => done(null, Buffer.concat(chunks)));
};

function application() {
  const app = express();
  const place = folder();
  writeFileSync(path.join(place, 'file.bin'), bytes);
  app.use('/static', express.static(place));
  app.get('/json', (_, response) => response.json({ well: true }));
  app.post('/json', express.json({ limit: '1mb' }), (request_, response) => response.send(request_.body));
  app.get('/late', (_, response) => setTimeout(() => response.send('late'), 20));
  app.get('/throws', () => {
    throw new Error('on purpose');
  });
  app.get('/rejects', async () => Promise.reject(new Error('on purpose')));
  app.get('/break', (_, response) => response.write('some', () => response.socket.destroy()));
  app.get('/ip', (request_, response) => response.send(`${request_.ip} ${request_.socket.remotePort > 0}`));
  app.get('/redirect', (_, response) => response.redirect('/json'));
  app.use((error, _request, response, _next) => response.status(500).send(error.message));
  return app;
}

test('an application given as such is listened to and closed', async () => {
  await request(application()).get('/json').expect(200, { well: true });
});

test('many requests, one after another, each with a server of its own', async () => {
  const app = application();
  for (let turn = 0; turn < 30; turn++) await request(app).get('/json').expect(200);
});

test('many requests at once', async () => {
  const app = application();
  await Promise.all(Array.from({ length: 50 }, () => request(app).get('/late').expect(200, 'late')));
});

test('JSON each way', async () => {
  const list = Array.from({ length: 5000 }, (_, number) => ({ number, text: `number ${number}` }));
  await request(application()).post('/json').send(list).expect(200, list);
});

test('a static file, whole, a range and not modified', async () => {
  const app = application();
  const whole = await request(app).get('/static/file.bin').buffer(true).parse(binary).expect(200);
  assert.equal(digest(whole.body), digest(bytes));
  const range = await request(app)
    .get('/static/file.bin')
    .set('range', 'bytes=1000-300000')
    .buffer(true)
    .parse(binary)
    .expect(206);
  assert.ok(bytes.subarray(1000, 300_001).equals(range.body));
  await request(app).get('/static/file.bin').set('if-none-match', whole.headers.etag).expect(304);
  await request(app).get('/static/absent').expect(404);
});

test('errors become answers', async () => {
  const app = application();
  await request(app).get('/throws').expect(500, 'on purpose');
  await request(app).get('/rejects').expect(500, 'on purpose');
});

test('an answer that breaks off is an error of the client', async () => {
  await assert.rejects(request(application()).get('/break'), { code: 'ECONNRESET' });
});

test('the peer is known', async () => {
  const { text } = await request(application()).get('/ip').expect(200);
  assert.match(text, /^(::ffff:)?127\.0\.0\.1 true$/);
});

test('agents keep cookies, redirects are followed', async () => {
  await request.agent(application()).get('/redirect').redirects(1).expect(200, { well: true });
});
