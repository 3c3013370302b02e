// What the specs of sockets share: servers and pairs of sockets, and the proof that a test has left nothing behind.
import { once } from 'node:events';
import type core from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { stats, support } from 'iouring-transport';
import net from 'iouring-transport/net';
import { openSockets } from '../_descriptors.ts';

/** Whether the sockets under test are those of the ring. */
export const onRing = support().backend === 'uring';

/** What the test that runs has made; closed after it, however it went. */
const made = new Set<core.Socket | core.Server>();

/** Has the sockets and servers closed after the test. */
export function track<T extends core.Socket | core.Server>(thing: T): T {
  made.add(thing);
  return thing;
}

/** A server that listens on a port of its own, or at `path`. */
export async function listening(
  options: core.ServerOpts = {},
  onConnection?: (socket: core.Socket) => void,
  where: core.ListenOptions = { port: 0, host: '127.0.0.1' },
): Promise<core.Server> {
  const server = track(net.createServer(options, onConnection));
  server.on('connection', track);
  server.listen(where);
  await once(server, 'listening');
  return server;
}

export const portOf = (server: core.Server): number => (server.address() as core.AddressInfo).port;

/** Both ends of a connection, and the server that it was made through. */
export interface Pair {
  server: core.Server;
  /** The end that connected. */
  client: core.Socket;
  /** The end that was accepted. */
  peer: core.Socket;
}

export async function pair(
  serverOptions: core.ServerOpts = {},
  clientOptions: Partial<core.TcpNetConnectOpts & core.SocketConstructorOpts> = {},
): Promise<Pair> {
  const server = await listening(serverOptions);
  const options = { port: portOf(server), host: '127.0.0.1', ...clientOptions } as core.TcpNetConnectOpts;
  const client = track(net.connect(options));
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[core.Socket], unknown];
  return { server, client, peer };
}

/** Resolves with whether it is said that there was an error; does not mind the error itself. */
export function closeOf(socket: core.Socket): Promise<boolean> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** The next error of a socket or server. */
export function errorOf(thing: core.Socket | core.Server): Promise<NodeJS.ErrnoException> {
  return new Promise((resolve) => thing.once('error', resolve));
}

/** Reads to the end. */
export async function textOf(socket: core.Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => chunks.push(bytes)).resume();
  await once(socket, 'end');
  return Buffer.concat(chunks).toString();
}

const atStart = openSockets();

/** For `test.afterEach.always`: closes what the test has made. No handle, operation or buffer in use, and no descriptor open that was not before. */
export async function nothingLeft(t: ExecutionContext): Promise<void> {
  for (const thing of made) {
    if ('destroy' in thing) thing.on('error', () => {}).destroy();
    else thing.close();
  }
  made.clear();
  const left = (): Record<string, number> => {
    const { turns: _, ...rest } = stats() as unknown as Record<string, number>;
    return { ...rest, descriptors: openSockets() - atStart };
  };
  // Some tests leave much to the kernel, and a machine may be slow: who waits in vain does so once.
  const deadline = Date.now() + 20_000;
  const isClean = (): boolean => Object.values(left()).every((count) => count <= 0);
  while (!isClean() && Date.now() < deadline) await sleep(5);
  t.true(isClean(), `left behind: ${JSON.stringify(left())}`);
}
