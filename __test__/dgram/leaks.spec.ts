import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import test from 'ava';
import { stats } from 'iouring-transport';
import dgram from 'iouring-transport/dgram';
import { holdsNothing, until } from './_tools.ts';

const descriptors = (): number => readdirSync('/proc/self/fd').length;

test('sockets opened, used and closed leave no descriptor and hold nothing', async (t) => {
  const cycle = async (): Promise<void> => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.send('x', socket.address().port, '127.0.0.1');
    await once(socket, 'message');
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  };
  await cycle();
  const before = descriptors();
  for (let i = 0; i < 300; i++) await cycle();
  t.true(await until(() => descriptors() <= before));
  t.true(await until(holdsNothing), JSON.stringify(stats()));
});
