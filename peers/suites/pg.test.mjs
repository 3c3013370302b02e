import assert from 'node:assert';
import { test } from 'node:test';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';
import { atEnd, pattern } from './_help.mjs';

const db = await PGlite.create();

async function serve(t) {
  const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1' });
  const port = await new Promise((resolve) => {
    server.addEventListener('listening', ({ detail }) => resolve(detail.port));
    server.start();
  });
  atEnd(t, () => server.stop());
  return port;
}

async function connected(t) {
  const client = new pg.Client({ host: '127.0.0.1', port: await serve(t), user: 'postgres', database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  atEnd(t, () => client.end().catch(() => {}));
  return client;
}

test('rows, many and long', async (t) => {
  const client = await connected(t);
  const { rows } = await client.query('select number, number * 2 as twice from generate_series(1, 20000) number');
  assert.equal(rows.length, 20_000);
  rows.forEach(({ number, twice }, at) => assert.deepEqual([number, twice], [at + 1, (at + 1) * 2]));
  const bytes = pattern(1_000_000);
  const long = await client.query('select $1::bytea as bytes', [bytes]);
  assert.ok(bytes.equals(long.rows[0].bytes));
});

test('queries that wait in a queue', async (t) => {
  const client = await connected(t);
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, number) => client.query('select $1::int as number', [number])),
  );
  answers.forEach(({ rows }, number) => assert.equal(rows[0].number, number));
});

test('transactions, errors and prepared statements', async (t) => {
  const client = await connected(t);
  await client.query('create temp table items (number int unique)');
  await client.query('begin');
  await client.query('insert into items values (1)');
  await assert.rejects(client.query('insert into items values (1)'), { code: '23505' });
  await client.query('rollback');
  for (let number = 0; number < 50; number++)
    await client.query({ name: 'insert', text: 'insert into items values ($1)', values: [number] });
  assert.equal((await client.query('select count(*)::int as count from items')).rows[0].count, 50);
});

test('nobody listens', async () => {
  await assert.rejects(new pg.Client({ host: '127.0.0.1', port: 1 }).connect(), { code: 'ECONNREFUSED' });
});
