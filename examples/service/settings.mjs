/** What the environment says; defaults are for a machine of one's own. */
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const { env } = process;

export const settings = {
  host: env.HOST ?? '127.0.0.1',
  /** 0 takes a free one. */
  port: Number(env.PORT ?? 8080),
  metricsPort: Number(env.METRICS_PORT ?? 9464),
  workers: Number(env.WORKERS ?? 2),
  postgres: env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres',
  redis: env.REDIS_URL ?? 'redis://127.0.0.1:6379',
  uploads: env.UPLOADS ?? path.join(os.tmpdir(), 'iouring-service-uploads'),
  /** Bytes. */
  largestUpload: Number(env.LARGEST_UPLOAD ?? 64 * 1024 * 1024),
  /** A collector of OpenTelemetry's, such as http://127.0.0.1:4318; without one no spans are made. */
  collector: env.OTEL_EXPORTER_OTLP_ENDPOINT,
  /** Milliseconds after SIGTERM in which connections are still served, and closed with the answer to their next request. */
  drain: Number(env.DRAIN_MS ?? 1000),
  /** Milliseconds after SIGTERM at which what is still there is killed. */
  endWithin: Number(env.END_WITHIN_MS ?? 25_000),
};
