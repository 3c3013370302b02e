// Core hands the kernel each write as it comes, so that what fits has been sent before `destroy()`. Large and small writes in one tick are no exception.
import core from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import net from 'iouring-transport/net';
import test from 'ava';

test('what was written before destroy() arrives', async (t) => {
  let heard = 0;
  const server = core.createServer((socket) => socket.on('data', (bytes) => (heard += bytes.length)).on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(client, 'connect');
  for (let round = 0; round < 10; round++) {
    client.write(Buffer.alloc(20_000));
    client.write('ten bytes!');
    client.write(Buffer.alloc(100));
  }
  client.destroy();
  server.close();
  await once(server, 'close');
  t.is(heard, 10 * 20_110);
});
