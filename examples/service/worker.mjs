/** A worker: its connections to PostgreSQL and Redis, the application, and how it ends. */
import fs from 'node:fs/promises';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { support } from 'iouring-transport';
import pg from 'pg';
import { createApplication } from './application.mjs';
import { settings } from './settings.mjs';
import { startTracing } from './tracing.mjs';

export async function work() {
  const ended = new Promise((resolve) => process.once('SIGTERM', resolve));
  // The primary has the terminal's Ctrl-C, and says SIGTERM.
  process.on('SIGINT', () => {});
  const tracing = startTracing();
  await fs.mkdir(settings.uploads, { recursive: true });
  const pool = new pg.Pool({
    connectionString: settings.postgres,
    max: 8,
    connectionTimeoutMillis: 2000,
    query_timeout: 5000,
  });
  // A connection that breaks while idle: the pool makes another when it is needed.
  pool.on('error', (error) => console.error(JSON.stringify({ event: 'postgres', message: error.message })));
  const redis = new Redis(settings.redis, { maxRetriesPerRequest: 1, connectTimeout: 2000, commandTimeout: 2000 });
  redis.on('error', (error) => console.error(JSON.stringify({ event: 'redis', message: error.message })));

  const { app, state } = createApplication({ pool, redis, tracer: tracing.tracer });
  await app.listen({ host: settings.host, port: settings.port });
  process.send({ port: app.server.address().port, backend: support().backend });

  await ended;
  // From now on: not ready, and every answer closes its connection, so that none is closed while a request may be on its way.
  state.ending = true;
  await sleep(settings.drain);
  // Takes no new connections; resolves when the requests under way are answered.
  await app.close();
  await Promise.allSettled([pool.end(), redis.quit(), tracing.stop()]);
  const { accepted, answered } = state;
  console.log(JSON.stringify({ event: 'worker ended', accepted, answered }));
  process.exit(accepted === answered ? 0 : 1);
}
