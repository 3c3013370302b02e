// A lookup of the user's that answers with something else than it was asked for: what becomes of it is what core makes of it.
import { once } from 'node:events';
import core from 'node:net';
import test from 'ava';
import net from 'iouring-transport/net';
import { listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const ANSWERS: Record<string, unknown[]> = {
  'a string': ['127.0.0.1', 4],
  'a string of nothing': [''],
  nothing: [undefined],
  null: [null],
  'an empty array': [[]],
  'an object': [{ address: '127.0.0.1', family: 4 }],
  'an array of strings': [['127.0.0.1']],
  'something like an array': [{ length: 1, 0: { address: '127.0.0.1', family: 4 } }],
  'addresses without family': [[{ address: '127.0.0.1' }]],
  'families as text': [[{ address: '127.0.0.1', family: 'IPv4' }]],
  'a number': [1],
};

for (const [name, answer] of Object.entries(ANSWERS)) {
  test.serial(`a lookup answers with ${name}`, async (t) => {
    const port = portOf(await listening({}, (socket) => socket.end()));
    const outcome = async ({ connect }: Pick<typeof core, 'connect'>): Promise<unknown[]> => {
      const seen: unknown[] = [];
      let socket: core.Socket | undefined;
      const lookup = (_host: string, _options: object, callback: (error: null, ...answer: unknown[]) => void) => {
        callback(null, ...answer);
      };
      try {
        socket = track(connect({ port, host: 'some.name', autoSelectFamily: true, lookup: lookup as core.LookupFunction }));
      } catch (error) {
        return ['throws', (error as Error).message];
      }
      socket.on('lookup', (...found) => seen.push(found));
      const ended = await Promise.race([
        once(socket, 'connect').then(
          () => 'connect',
          (error: NodeJS.ErrnoException) => [error.code, error.message],
        ),
      ]);
      socket.destroy();
      return [...seen, ended];
    };
    t.deepEqual(await outcome(net), await outcome(core));
  });
}
