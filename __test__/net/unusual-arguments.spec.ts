// Options that are wrong in more than one way: core's sockets and ours give the same error.
import core from 'node:net';
import test from 'ava';
import net from 'iouring-transport/net';
import { nothingLeft } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const CASES: Record<string, object> = {
  'an address of the other family, and a port that is too high': { host: '::1', localAddress: '127.0.0.1', localPort: 65_536 },
  'a port that is too high': { host: '127.0.0.1', localPort: 65_541 },
  'a family that cannot become a name': {
    host: 'localhost',
    family: { toString: () => ({}), valueOf: () => ({}) },
  },
};

async function outcome(connect: typeof core.connect, options: object): Promise<unknown> {
  try {
    const socket = connect({ port: 1, ...options } as never);
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.on('error', resolve));
    return [error.code, error.message];
  } catch (error) {
    return [(error as NodeJS.ErrnoException).code, (error as Error).message];
  }
}

for (const [name, options] of Object.entries(CASES))
  test.serial(name, async (t) => t.deepEqual(await outcome(net.connect, options), await outcome(core.connect, options)));
