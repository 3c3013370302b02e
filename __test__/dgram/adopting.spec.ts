// bind({ fd }): a descriptor has one owner, and is told from what it is not.
import core from 'node:dgram';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import coreNet from 'node:net';
import type { ExecutionContext } from 'ava';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { onRing, open } from './_tools.ts';

const serial = needs('io_uring', onRing);

interface Inside {
  fd: number;
  recvStop(): void;
}

/** The descriptor of a socket of core's, which that does not use any more unless it is `watched`. */
async function descriptor({ watched = false } = {}): Promise<number> {
  const socket = core.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  // Whoever adopts it closes it, as with core: the handle here is left alone.
  socket.unref();
  const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')!;
  const { handle } = (socket as unknown as Record<symbol, { handle: Inside }>)[state];
  if (!watched) handle.recvStop();
  return handle.fd;
}

async function closed(socket: core.Socket): Promise<void> {
  const over = once(socket, 'close');
  socket.close();
  await over;
}

function refusal(t: ExecutionContext, fd: number, type: 'udp4' | 'unix_dgram' = 'udp4'): string | undefined {
  const socket = open(t, { type });
  return t.throws<NodeJS.ErrnoException>(() => socket.bind({ fd })).code;
}

serial('a descriptor is taken over once, and its owner closes nobody else’s', async (t) => {
  const fd = await descriptor();
  const first = open(t, { type: 'udp4' });
  first.bind({ fd });
  t.is(refusal(t, fd), 'EEXIST');
  t.throws(() => new net.Socket({ fd }), { code: 'ERR_INVALID_FD_TYPE' });
  const second = open(t, { type: 'udp4' });
  t.throws(() => second.bind({ fd }), { code: 'EEXIST', message: 'open EEXIST' });
  await closed(first);
  const file = openSync('/dev/null', 'r');
  t.is(file, fd, 'the number is free');
  await closed(second);
  t.notThrows(() => fstatSync(file));
  closeSync(file);
});

serial('a descriptor that a socket of core’s uses is refused, as core refuses it', async (t) => {
  const fd = await descriptor({ watched: true });
  const refusals = [core, dgram].map((module) => t.throws(() => module.createSocket('udp4').bind({ fd })).message);
  t.deepEqual(refusals, ['open EEXIST', 'open EEXIST']);
  t.notThrows(() => fstatSync(fd));
});

serial('a socket that has one already does not take another', async (t) => {
  const fd = await descriptor();
  const socket = open(t, { type: 'udp4' });
  socket.addMembership('224.0.0.114', '127.0.0.1');
  t.throws(() => socket.bind({ fd }), { code: 'EBUSY', message: 'open EBUSY' });
  t.notThrows(() => fstatSync(fd));
});

serial('what is no datagram socket is refused by its type, as core refuses it', async (t) => {
  const refused = async (server: coreNet.Server, path?: string): Promise<string> => {
    server.listen(path ?? { port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const messages = [core, dgram].map((module) => t.throws(() => module.createSocket('udp4').bind({ fd })).message);
    server.close();
    t.is(messages[1], messages[0]);
    return messages[1];
  };
  t.is(await refused(coreNet.createServer()), 'Unsupported fd type: TCP');
  t.is(await refused(coreNet.createServer(), `\0adopting-${process.pid}`), 'Unsupported fd type: PIPE');
  const file = openSync('/dev/null', 'r');
  for (const fd of [file, 9999]) {
    const [theirs, ours] = [core, dgram].map((module) => t.throws(() => module.createSocket('udp4').bind({ fd })).message);
    t.is(ours, theirs);
  }
  closeSync(file);
});

serial('UNIX and UDP are not taken for each other', async (t) => {
  const fd = await descriptor();
  t.is(refusal(t, fd, 'unix_dgram'), 'ERR_INVALID_FD_TYPE');
  t.notThrows(() => fstatSync(fd));
});
