// What programs see of core's sockets beyond the documented: each done to both, with the same outcome.
import core from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { inspect } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import ours from 'iouring-transport/dgram';

type Dgram = typeof core;
type Log = (...seen: unknown[]) => void;

/** What an error tells; ports are left out, since they differ. */
const told = (error: unknown): unknown => {
  const { name, code, errno, syscall, address, message } = error as NodeJS.ErrnoException & { address?: string };
  return { name, code, errno, syscall, address, message: message.replaceAll(/:\d{4,6}\b/g, ':PORT') };
};

/** The outcome of a call. */
const attempt = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return told(error);
  }
};

const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

/** Runs the same with core and with ours, and compares what was logged. */
function alike(title: string, body: (dgram: Dgram, log: Log, t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    const run = async (dgram: Dgram): Promise<unknown[]> => {
      const seen: unknown[] = [];
      await body(dgram, (...values) => seen.push(values), t);
      return seen;
    };
    const expected = await run(core);
    t.true(expected.length > 0);
    t.deepEqual(await run(ours as unknown as Dgram), expected);
  });
}

/** A socket that logs all of its events. */
function watched(dgram: Dgram, log: Log, t: ExecutionContext, options: core.SocketOptions = { type: 'udp4' }): core.Socket {
  const socket = dgram.createSocket(options);
  for (const event of ['listening', 'close', 'connect'] as const) socket.on(event as 'listening', () => log(event));
  socket.on('error', (error) => log('error', told(error)));
  t.teardown(() => attempt(() => socket.close()));
  return socket;
}

async function boundOn(dgram: Dgram, t: ExecutionContext): Promise<core.Socket> {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  t.teardown(() => attempt(() => socket.close()));
  await once(socket, 'listening');
  return socket;
}

for (const reuseAddr of [false, true]) {
  alike(
    `a port that is taken is refused, ${reuseAddr ? 'with' : 'without'} reuseAddr of one side alone`,
    async (dgram, log, t) => {
      const { port } = (await boundOn(dgram, t)).address();
      const socket = watched(dgram, log, t, { type: 'udp4', reuseAddr });
      socket.bind(port, '127.0.0.1', () => log('bound'));
      await settled();
      log(attempt(() => ({ ...socket.address(), port: socket.address().port > 0 })));
      socket.bind(0, '127.0.0.1');
      await settled();
    },
  );
}

alike('after a bind that fails there is a descriptor, unless the address was none', async (dgram, log, t) => {
  for (const address of ['192.0.2.1', '::1']) {
    const socket = watched(dgram, log, t);
    socket.bind(0, address);
    await settled();
    log(attempt(() => socket.address()));
    socket.close();
    await settled();
  }
});

alike('ports are taken modulo 65536 by bind', async (dgram, log, t) => {
  const { port } = (await boundOn(dgram, t)).address();
  const socket = watched(dgram, log, t);
  socket.bind(port + 65536, '127.0.0.1');
  await settled();
});

alike('a descriptor that is no socket leaves the socket unusable', async (dgram, log, t) => {
  const fd = openSync('/dev/null', 'r');
  const socket = watched(dgram, log, t);
  log(attempt(() => socket.bind({ fd })));
  log(attempt(() => socket.bind(0)));
  closeSync(fd);
});

alike('a descriptor that does not fit into an int is no descriptor', async (dgram, log, t) => {
  const socket = watched(dgram, log, t);
  socket.bind({ fd: 2 ** 31 });
  await settled();
});

alike('sizes that do not fit into an int are refused', async (dgram, log, t) => {
  const socket = await boundOn(dgram, t);
  log(attempt(() => socket.setRecvBufferSize(2 ** 31)));
  log(attempt(() => socket.setSendBufferSize(2 ** 32 - 1)));
});

alike('a size of 0 leaves a buffer as it is', async (dgram, log, t) => {
  const socket = await boundOn(dgram, t);
  const sizes = () => [socket.getRecvBufferSize(), socket.getSendBufferSize()];
  socket.setRecvBufferSize(20_000);
  socket.setSendBufferSize(30_000);
  log(sizes());
  log(attempt(() => socket.setRecvBufferSize(0)));
  log(attempt(() => socket.setSendBufferSize(0)));
  log(sizes());
  const unbound = watched(dgram, log, t);
  log(attempt(() => unbound.setRecvBufferSize(0)));
  log(attempt(() => unbound.setSendBufferSize(0)));
});

alike('hop limits below zero are refused', async (dgram, log, t) => {
  const socket = await boundOn(dgram, t);
  for (const hops of [-1, 0, 1, 255, 256]) {
    log(attempt(() => socket.setTTL(hops)));
    log(attempt(() => socket.setMulticastTTL(hops)));
  }
});

alike('interfaces that are none', async (dgram, log, t) => {
  const socket = await boundOn(dgram, t);
  for (const name of ['', '::1', '::%lo', '256.1.1.1'])
    log(
      name,
      attempt(() => socket.setMulticastInterface(name)),
    );
  for (const group of [1, true, {}, [], 'x', 1n]) log(attempt(() => socket.addMembership(group as string)));
  log(attempt(() => socket.addMembership('239.1.1.1', 'lo%lo')));
});

alike('connecting to an address of the other family', async (dgram, log, t) => {
  const socket = watched(dgram, log, t);
  socket.connect(9, '::1');
  await settled();
});

alike('disconnecting a socket that was closed', async (dgram, log, t) => {
  const socket = await boundOn(dgram, t);
  socket.close();
  log(attempt(() => socket.disconnect()));
});

alike("'close' comes with the next tick, behind the callbacks of what was sent", async (dgram, log, t) => {
  const idle = await boundOn(dgram, t);
  idle.on('close', () => log('close'));
  idle.close(() => log('callback'));
  process.nextTick(() => log('tick'));
  await settled();
  const sender = await boundOn(dgram, t);
  sender.connect(sender.address().port, '127.0.0.1');
  await once(sender, 'connect');
  sender.on('close', () => log('close'));
  for (let i = 0; i < 3; i++) sender.send('x', (error, bytes) => log(i, error, bytes));
  sender.close();
  await settled();
});

alike('what the kernel has taken is not queued', async (dgram, log, t) => {
  const socket = await boundOn(dgram, t);
  socket.connect(socket.address().port, '127.0.0.1');
  await once(socket, 'connect');
  for (let i = 0; i < 3; i++) socket.send('hello');
  log(socket.getSendQueueSize(), socket.getSendQueueCount());
});

alike('a new socket has no listeners', async (dgram, log, t) => {
  log(watched(dgram, log, t).eventNames());
});

alike('a buffer size that cannot be had is printed with its values', async (dgram, log, t) => {
  const socket = watched(dgram, log, t);
  try {
    socket.getRecvBufferSize();
  } catch (error) {
    (error as Error).stack = 'a stack';
    log(inspect(error), inspect([error], { depth: 0 }), JSON.stringify(error), String(error), (error as Error).constructor.name);
  }
});

alike('block lists that are none', async (dgram, log) => {
  for (const list of [undefined, null, 0, '', 5, 'x', {}, []]) {
    for (const name of ['sendBlockList', 'receiveBlockList']) {
      log(attempt(() => void dgram.createSocket({ type: 'udp4', [name]: list } as core.SocketOptions).close()));
    }
  }
});

test('underscored members are those of this core, with its values', (t) => {
  const members = [core, ours].map(({ Socket }) =>
    Object.getOwnPropertyNames(Socket.prototype).filter((name) => name.startsWith('_')),
  );
  t.deepEqual(members[1], members[0]);
  for (const reuseAddr of [undefined, false, true, 1]) {
    const values = [core, ours].map(({ createSocket }) => {
      const create = createSocket as (options: unknown) => core.Socket & { _reuseAddr?: unknown };
      const socket = create({ type: 'udp4', reuseAddr });
      socket.close();
      return socket._reuseAddr;
    });
    t.is(values[1], values[0], String(reuseAddr));
  }
});
