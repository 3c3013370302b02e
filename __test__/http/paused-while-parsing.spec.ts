// Core stops reading a connection whose answers pile up; what stands behind the request at which it did so, in the same chunk, is seen to all the same.
import { once } from 'node:events';
import core from 'node:http';
import net from 'node:net';
import test from 'ava';
import http from 'iouring-transport/http';

const REQUEST = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n';
const BEHIND = {
  'what is no request': 'not http\r\n\r\n',
  'an upgrade': 'GET / HTTP/1.1\r\nHost: here\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nbytes',
};

for (const [what, bytes] of Object.entries(BEHIND)) {
  for (const [whose, module] of Object.entries({ "core's": core, ours: http })) {
    test(`${what}, ${whose}`, async (t) => {
      // What is written for each waits for the first, which is not ended: the second or third is one too many.
      const server = module.createServer((_request, response) => void response.write(Buffer.alloc(1 << 20)));
      const told = Promise.race([once(server, 'clientError'), once(server, 'upgrade')]) as Promise<[unknown, net.Socket]>;
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
      client.on('error', () => {});
      client.write(REQUEST.repeat(3) + bytes);
      const [first, socket] = await told;
      t.is(first instanceof Error, what !== 'an upgrade');
      socket.on('error', () => {}).destroy();
      client.destroy();
      server.close();
      await once(server, 'close');
    });
  }
}
