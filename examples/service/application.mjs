/** The application: routes, metrics and health. It knows nothing of io_uring. */
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import fastify from 'fastify';
import { AggregatorRegistry, collectDefaultMetrics, Histogram } from 'prom-client';
import { settings } from './settings.mjs';
import { traced } from './tracing.mjs';

const seconds = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'From the head of a request to the end of its answer.',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
});
collectDefaultMetrics();
// In a worker it answers the primary, which asks for the metrics of all.
new AggregatorRegistry();

export function createApplication({ pool, redis, tracer }) {
  /** Requests that were taken and answered, for an end that can be checked; and whether the end is near. */
  const state = { accepted: 0, answered: 0, ending: false };
  const app = fastify({ return503OnClosing: false });
  app.decorateRequest('span', null);
  app.decorateRequest('isSettled', false);

  app.addHook('onRequest', (request, reply, next) => {
    state.accepted++;
    // Also where the peer went away before its answer, or with half of it: that is no request left unanswered.
    reply.raw.once('close', () => settle(request));
    if (state.ending) reply.header('connection', 'close');
    const parent = propagation.extract(context.active(), request.headers);
    const { method } = request;
    const { url } = request.routeOptions;
    request.span = tracer.startSpan(`${method} ${url}`, { kind: SpanKind.SERVER }, parent);
    context.with(trace.setSpan(parent, request.span), next);
  });
  app.addHook('onResponse', (request, reply, next) => {
    settle(request);
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    seconds.observe({ method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    request.span.setAttribute('http.response.status_code', reply.statusCode).end();
    next();
  });
  app.addHook('onRequestAbort', (request, next) => {
    settle(request);
    request.span.end();
    next();
  });
  function settle(request) {
    if (!request.isSettled) state.answered++;
    request.isSettled = true;
  }

  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const checks = { postgres: pool.query('select 1'), redis: redis.ping() };
    const results = await Promise.allSettled(Object.values(checks));
    const failed = Object.keys(checks).filter((_, index) => results[index].status === 'rejected');
    if (state.ending) failed.push('ending');
    return reply.code(failed.length === 0 ? 200 : 503).send({ status: failed.length === 0 ? 'ok' : 'not ready', failed });
  });

  app.get('/items/:id', async (request, reply) => {
    const { id } = request.params;
    const key = `item:${id}`;
    // Without Redis it is slower, and no failure.
    const cached = await traced(tracer, 'redis get', () => redis.get(key)).catch(() => null);
    if (cached !== null) return reply.type('application/json').header('x-cache', 'hit').send(cached);
    const { rows } = await traced(tracer, 'postgres select', () =>
      pool.query({ name: 'item', text: 'select id, name, price from item where id = $1', values: [id] }),
    );
    if (rows.length === 0) return reply.code(404).send({ error: 'no such item' });
    const text = JSON.stringify(rows[0]);
    await redis.set(key, text, 'EX', 60).catch(() => {});
    return reply.type('application/json').header('x-cache', 'miss').send(text);
  });

  app.get('/items', async (request) => {
    const limit = Math.min(Number(request.query.limit ?? 20) || 20, 1000);
    const query = { name: 'items', text: 'select id, name, price from item order by id limit $1', values: [limit] };
    const { rows } = await traced(tracer, 'postgres select', () => pool.query(query));
    return rows;
  });

  const item = {
    type: 'object',
    required: ['name', 'price'],
    properties: { name: { type: 'string', maxLength: 200 }, price: { type: 'integer', minimum: 0 } },
  };
  app.post('/items', { schema: { body: item } }, async (request, reply) => {
    const { name, price } = request.body;
    const query = { text: 'insert into item (name, price) values ($1, $2) returning id, name, price', values: [name, price] };
    const { rows } = await traced(tracer, 'postgres insert', () => pool.query(query));
    return reply.code(201).send(rows[0]);
  });

  // Bytes go to the disk as they come; what is complete gets its name, what is not leaves nothing behind.
  app.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));
  app.post('/uploads', { bodyLimit: settings.largestUpload }, async (request, reply) => {
    const id = randomUUID();
    const partial = path.join(settings.uploads, `.${id}`);
    const hash = createHash('sha256');
    let size = 0;
    const counting = new Transform({
      transform(chunk, _encoding, done) {
        size += chunk.length;
        hash.update(chunk);
        done(size > settings.largestUpload ? Object.assign(new Error('too large'), { statusCode: 413 }) : null, chunk);
      },
    });
    try {
      await traced(tracer, 'disk write', async () => {
        const file = await fs.open(partial, 'wx');
        await pipeline(request.body, counting, file.createWriteStream());
      });
      await fs.rename(partial, path.join(settings.uploads, id));
    } catch (error) {
      await fs.rm(partial, { force: true });
      throw error;
    }
    return reply.code(201).send({ id, size, sha256: hash.digest('hex') });
  });
  app.get('/uploads/:id', async (request, reply) => {
    // Names are ours: nothing else is looked for.
    if (!/^[\da-f-]{36}$/.test(request.params.id)) return reply.code(404).send({ error: 'no such upload' });
    try {
      const file = await fs.open(path.join(settings.uploads, request.params.id));
      return await reply.type('application/octet-stream').send(file.createReadStream());
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      return reply.code(404).send({ error: 'no such upload' });
    }
  });

  return { app, state };
}
