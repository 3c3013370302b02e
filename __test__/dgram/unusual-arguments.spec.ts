// Arguments that are wrong, or right in an unusual way: core's sockets and ours give the same answers.
import coreDgram from 'node:dgram';
import { once } from 'node:events';
import { inspect } from 'node:util';
import dgram from 'iouring-transport/dgram';
import { needs } from '../_needs.ts';
import { onRing } from './_tools.ts';

const ring = needs('io_uring', onRing);

type Module = typeof coreDgram;

const CASES: Record<string, (module: Module) => unknown> = {
  'a TTL of nothing, not bound': (module) => using(module, (socket) => socket.setTTL(0)),
  'a TTL too long, not bound': (module) => using(module, (socket) => socket.setTTL(256)),
  'a TTL, not bound': (module) => using(module, (socket) => socket.setTTL(5)),
  'a TTL of nothing for groups, not bound': (module) => using(module, (socket) => socket.setMulticastTTL(0)),
  'a port of nothing': (module) => using(module, (socket) => socket.connect(0, '127.0.0.1')),
  'a callback of connect() that is none, bound': (module) =>
    using(module, async (socket) => {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      socket.connect(9, '127.0.0.1', 'x' as never);
    }),
  'a type that is none, and a lookup that is none': (module) => module.createSocket({ lookup: 'x' } as never),
  'a type that is none, and a size that is none': (module) => module.createSocket({ recvBufferSize: -1 } as never),
  'IPv6 alone, of a socket for IPv4': (module) =>
    using(module, async (socket) => (socket.bind(0), once(socket, 'listening')), { type: 'udp4', ipv6Only: true }),
  ...Object.fromEntries(
    [undefined, null, 'no address', '::1', 7, ['127.0.0.1']].map((answer) => [
      `binding to a name that a lookup of the user's answers with ${inspect(answer)}`,
      (module: Module) =>
        using(
          module,
          async (socket) => {
            const ended = Promise.race([once(socket, 'error'), once(socket, 'listening')]);
            socket.bind(0, 'name');
            const [error] = (await ended) as [unknown];
            return error instanceof Error ? { ...error, message: error.message } : 'bound';
          },
          { type: 'udp4', lookup: ((...given: unknown[]) => (given.at(-1) as Function)(null, answer)) as never },
        ),
    ]),
  ),
  ...Object.fromEntries(
    [Symbol('port'), 1n, 0n, 'no port', null, -1].map((port) => [
      `binding to the port ${inspect(port)}`,
      (module: Module) => {
        const thrown: string[] = [];
        // What goes wrong behind the lookup comes out of the call that ends it.
        const lookup = (...given: unknown[]) => {
          try {
            (given.at(-1) as Function)(null, '127.0.0.1', 4);
          } catch (error) {
            thrown.push((error as Error).message);
          }
        };
        return using(
          module,
          (socket) => {
            socket.bind(port as never, 'name');
            return thrown;
          },
          { type: 'udp4', lookup: lookup },
        );
      },
    ]),
  ),
  'binding to a descriptor that is a symbol': (module) => using(module, (socket) => socket.bind({ fd: Symbol('fd') } as never)),
  'binding to a descriptor that is a bigint': (module) => using(module, (socket) => void socket.bind({ fd: 1n } as never)),
  'binding to an address that is a symbol': (module) => using(module, (socket) => socket.bind(0, Symbol('address') as never)),
  'the address of that socket': (module) =>
    using(
      module,
      async (socket) => {
        socket.bind(0);
        await once(socket, 'error');
        return socket.address();
      },
      { type: 'udp4', ipv6Only: true },
    ),
};

async function using(
  module: Module,
  use: (socket: coreDgram.Socket) => unknown,
  options: coreDgram.SocketOptions = { type: 'udp4' },
): Promise<unknown> {
  const socket = module.createSocket(options);
  socket.on('error', () => {});
  try {
    const result = await use(socket);
    return result === socket ? 'the socket' : result;
  } finally {
    socket.close();
  }
}

async function outcome(work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    return { name, code, message };
  }
}

for (const [name, call] of Object.entries(CASES))
  ring(name, async (t) => t.deepEqual(await outcome(() => call(dgram as never)), await outcome(() => call(coreDgram))));
