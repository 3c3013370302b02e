// A memcached client as it is, registered, against memcached; and the protocol by hand over UNIX.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import net from 'iouring-transport/net';
import { folder, freePort, runRegistered, settled, start, testWith } from './_service.ts';

const test = testWith('memcached');

test('memjs, registered: binary protocol, a value of 512 KiB', async (t) => {
  const port = await freePort();
  await start(t, { command: 'memcached', args: ['-p', String(port), '-l', '127.0.0.1', '-U', '0'], ready: port });
  const output = await runRegistered(fileURLToPath(new URL('apps/memcached.cjs', import.meta.url)), [String(port)]);
  const { value, size, handles, rest } = JSON.parse(output) as Record<string, unknown>;
  t.deepEqual({ value, size, handles, rest }, { value: 'ring', size: 524_288, handles: 1, rest: 0 });
});

test('the text protocol over UNIX: 5000 commands pipelined', async (t) => {
  const path = `${folder(t)}/memcached.sock`;
  await start(t, { command: 'memcached', args: ['-s', path, '-a', '0700'], ready: path });
  const socket = net.connect(path).setEncoding('utf8');
  let answers = '';
  socket.on('data', (text: string) => (answers += text));
  socket.write('set n 0 0 1\r\n0\r\n');
  for (let i = 0; i < 5000; i++) socket.write('incr n 1\r\n');
  socket.end('quit\r\n');
  await once(socket, 'close');
  t.is(answers, `STORED\r\n${Array.from({ length: 5000 }, (_, i) => `${i + 1}\r\n`).join('')}`);
  await settled(t);
});
