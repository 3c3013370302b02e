// A write that waits for room when its socket is destroyed, by the peer's reset or by its own side: its callback hears what it hears over core
// (oven-sh/bun#33401, #33389: ECANCELED, from Node 22 on, whatever the kernel says of the connection meanwhile).
import core from 'node:net';
import { once } from 'node:events';
import ours from 'iouring-transport/net';
import test from 'ava';
import { nothingLeft } from './_sockets.ts';

test.afterEach.always(nothingLeft);

type Ending = (client: core.Socket, peer: core.Socket) => void;

/** What a client is told that writes more than there is room for, and whose connection then ends. */
async function tale(net: typeof core, end: Ending): Promise<string[]> {
  const told: string[] = [];
  const tell = (what: string) => (error?: Error | null) => {
    const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
    told.push(`${what} ${error ? `${code ?? error.message} ${syscall ?? ''}` : 'well'}`);
  };
  const server = core.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as core.AddressInfo).port, '127.0.0.1');
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[core.Socket], unknown];
  client.on('error', tell('error'));
  client.write(Buffer.alloc(16_000_000), tell('first'));
  client.write('second', tell('second'));
  const closed = new Promise((resolve) => client.once('close', resolve));
  // The first has filled what there is of room.
  await new Promise((resolve) => setTimeout(resolve, 50));
  end(client, peer);
  told.push(`closed with error: ${String(await closed)}`, `finished: ${client.writableFinished}`);
  peer.destroy();
  server.close();
  await once(server, 'close');
  return told;
}

const ENDINGS: Record<string, Ending> = {
  'the peer resets it': (_client, peer) => peer.resetAndDestroy(),
  'it is destroyed': (client) => client.destroy(),
  'it is destroyed with an error': (client) => client.destroy(new Error('a reason')),
};

for (const [how, end] of Object.entries(ENDINGS)) {
  test.serial(`a write that waits when ${how}`, async (t) => {
    t.deepEqual(await tale(ours, end), await tale(core, end));
  });
}
