// A connect that is given up half-way leaves nothing open and says 'close' alone.
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, errorOf, listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('destroyed in the tick of its connect', async (t) => {
  const server = await listening();
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  client.on('connect', () => t.fail());
  client.destroy();
  t.false(await closeOf(client));
});

test.serial('destroyed while the name is looked up', async (t) => {
  const client = track(
    net.connect({
      port: 1,
      host: 'somewhere',
      lookup: (_name, _options, answer) => setTimeout(answer, 10, null, '127.0.0.1', 4),
    }),
  );
  client.on('connect', () => t.fail());
  client.destroy();
  t.false(await closeOf(client));
  await new Promise((resolve) => setTimeout(resolve, 20));
});

test.serial('destroyed with an error, and with writes waiting', async (t) => {
  const server = await listening();
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  const written = new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => client.write('never sent', resolve));
  const error = errorOf(client);
  client.destroy(new Error('changed my mind'));
  t.is((await error).message, 'changed my mind');
  t.true((await written) instanceof Error);
});

test.serial('a hundred of them, with the server told of none or closed ones', async (t) => {
  let seen = 0;
  const server = await listening({}, (socket) => {
    seen++;
    socket.on('error', () => {}).resume();
  });
  const clients = Array.from({ length: 100 }, () => track(net.connect(portOf(server), '127.0.0.1')));
  const closes = clients.map(closeOf);
  setImmediate(() => clients.forEach((client) => client.destroy()));
  await Promise.all(closes);
  t.true(seen <= 100);
});

test.serial('aborted by a signal, before and during the connect', async (t) => {
  const server = await listening();
  for (const early of [true, false]) {
    const controller = new AbortController();
    if (early) controller.abort();
    const client = track(net.connect({ port: portOf(server), host: '127.0.0.1', signal: controller.signal } as never));
    const [error, close] = [errorOf(client), closeOf(client) as Promise<boolean | undefined>];
    controller.abort();
    t.is((await error).name, 'AbortError');
    t.is((await error).code, 'ABORT_ERR');
    t.is(await close, early ? undefined : true); // As core: nothing had begun.
  }
});
