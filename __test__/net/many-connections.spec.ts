// A thousand connections at once, opened, used and closed, twice over.
import { once } from 'node:events';
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

for (const how of ['one after the other', 'once more']) {
  test.serial(`a thousand connections, ${how}`, async (t) => {
    let accepted = 0;
    const server = await listening({}, (socket) => {
      accepted++;
      socket.pipe(socket);
    });
    const clients = Array.from({ length: 1000 }, () => track(net.connect(portOf(server), '127.0.0.1')));
    const closes = clients.map(closeOf);
    await Promise.all(
      clients.map(async (client, i) => {
        client.write(`hello ${i}`);
        const [bytes] = (await once(client, 'data')) as [Buffer];
        if (String(bytes) !== `hello ${i}`) t.fail(String(bytes));
      }),
    );
    t.is(accepted, 1000);
    t.is(await new Promise((resolve) => server.getConnections((_, count) => resolve(count))), 1000);
    clients.forEach((client, i) => void (i % 2 === 0 ? client.end() : client.destroy()));
    t.true((await Promise.all(closes)).every((hadError) => !hadError));
    server.close();
    await once(server, 'close');
  });
}
