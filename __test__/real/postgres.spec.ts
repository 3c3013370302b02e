// pg over our sockets against PostgreSQL, in the clear and encrypted, over TCP and UNIX.
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import net from 'iouring-transport/net';
import type { ExecutionContext } from 'ava';
import { makeCertificates } from '../_certificates.ts';
import { folder, freePort, runUnprivileged, settled, start, testWith } from './_service.ts';

const test = testWith('postgres', 'initdb', 'openssl');

async function startPostgres(t: ExecutionContext) {
  const data = folder(t);
  const port = await freePort();
  runUnprivileged('initdb', ['-D', `${data}/db`, '-U', 'tester', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C']);
  const { ca, server } = makeCertificates();
  for (const [name, text] of [
    ['server.crt', server.cert],
    ['server.key', server.key],
  ] as const) {
    writeFileSync(`${data}/db/${name}`, text);
    chmodSync(`${data}/db/${name}`, 0o600);
    if (process.getuid?.() === 0) chownSync(`${data}/db/${name}`, 65534, 65534);
  }
  const args = ['-D', `${data}/db`, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-k', data, '-c', 'ssl=on', '-F'];
  await start(t, { command: 'postgres', args, ready: port });
  // It listens before it is ready; asked with core's sockets.
  for (let attempt = 0; attempt < 100; attempt++) {
    const client = new pg.Client({ user: 'tester', database: 'postgres', host: '127.0.0.1', port });
    const ready = await client.connect().then(
      () => true,
      () => false,
    );
    await client.end();
    if (ready) break;
    await sleep(100);
  }
  return { port, path: data, ca };
}

for (const how of ['TCP', 'TCP with TLS', 'UNIX'] as const) {
  test(`pg over ${how}: queries, large rows, concurrent connections, notifications`, async (t) => {
    const { port, path, ca } = await startPostgres(t);
    const options = {
      user: 'tester',
      database: 'postgres',
      host: how === 'UNIX' ? path : '127.0.0.1',
      port,
      stream: () => new net.Socket(),
      ssl: how === 'TCP with TLS' ? { ca, servername: 'localhost' } : false,
    };
    const pool = new pg.Pool({ ...options, max: 8 });
    await pool.query('create table item (id int primary key, name text, bytes bytea)');
    await Promise.all(
      Array.from({ length: 200 }, (_, id) =>
        pool.query('insert into item values ($1, $2, $3)', [id, `name ${id}`, Buffer.alloc(id * 100, id % 256)]),
      ),
    );
    const { rows } = await pool.query<{ id: number; bytes: Buffer }>('select id, bytes from item order by id');
    t.is(rows.length, 200);
    t.true(rows.every(({ id, bytes }) => bytes.equals(Buffer.alloc(id * 100, id % 256))));

    const { rows: large } = await pool.query<{ text: string }>("select repeat('0123456789', 1000000) as text");
    t.is(large[0].text, '0123456789'.repeat(1_000_000));
    if (how === 'TCP with TLS') {
      const { rows: ssl } = await pool.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      t.deepEqual(ssl, [{ ssl: true }]);
    }
    await t.throwsAsync(pool.query('select 1/0'), { code: '22012' });

    const listener = new pg.Client(options);
    await listener.connect();
    await listener.query('listen news');
    const news = new Promise((resolve) => listener.once('notification', ({ payload }) => resolve(payload)));
    await pool.query("notify news, 'extra'");
    t.is(await news, 'extra');

    await listener.end();
    await pool.end();
    await settled(t);
  });
}
