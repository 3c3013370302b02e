// mysql2 over our sockets against MariaDB.
import mysql from 'mysql2/promise';
import net from 'iouring-transport/net';
import { folder, freePort, runUnprivileged, settled, start, testWith } from './_service.ts';

const test = testWith('mariadbd', 'mariadb-install-db');

test('mysql2 over TCP and UNIX: queries, prepared statements, large values', async (t) => {
  const data = folder(t);
  const port = await freePort();
  const socket = `${data}/mariadb.sock`;
  runUnprivileged('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}/db`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ]);
  const args = ['--no-defaults', `--datadir=${data}/db`, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${socket}`];
  const small = [
    '--innodb-buffer-pool-size=16M',
    '--innodb-log-file-size=8M',
    '--max-allowed-packet=32M',
    '--innodb-use-native-aio=0',
  ];
  await start(t, { command: 'mariadbd', args: [...args, ...small, `--tmpdir=${data}`], ready: port });

  for (const stream of [() => net.connect(port, '127.0.0.1'), () => net.connect(socket)]) {
    const connection = await mysql.createConnection({ user: 'root', stream: stream() });
    await connection.query('create database if not exists trial');
    await connection.query('create or replace table trial.item (id int primary key, name varchar(100))');
    for (let id = 0; id < 100; id++) await connection.execute('insert into trial.item values (?, ?)', [id, `name ${id}`]);
    const [rows] = await connection.query<mysql.RowDataPacket[]>('select * from trial.item order by id');
    t.is(rows.length, 100);
    t.is(rows[42].name, 'name 42');
    const [large] = await connection.query<mysql.RowDataPacket[]>("select repeat('0123456789', 1000000) as text");
    t.is(large[0].text, '0123456789'.repeat(1_000_000));
    await t.throwsAsync(connection.query('select nonsense'), { code: 'ER_BAD_FIELD_ERROR' });
    await connection.end();
  }
  await settled(t);
});
