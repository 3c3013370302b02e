/**
 * Everything by everything: kinds of sockets, how many clients there are, how long what they send is, in one piece or many, and how the server receives. Each case
 * has all of its clients open at once, gets back every byte it has sent, and leaves nothing behind.
 */
import { randomBytes } from 'node:crypto';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Connection, Datagram, DatagramClient, DatagramServer, StreamServer } from 'iouring-transport/transport';
import { descriptors } from './_workers.ts';

const { worker } = await import('iouring-transport/transport');
const { support } = await import('iouring-transport');

const CLIENTS = [1, 128, 512];
/** Of more clients than that all are open, and so many ask. */
const ASKING = 128;
export const PIECES = ['single', 'many'] as const;
const READERS = ['stream', 'for await'] as const;

type Pieces = (typeof PIECES)[number];
type Reader = (typeof READERS)[number];

/** Bytes that clients of streams may have under way together, and datagrams of datagram sockets: what has no room in a queue is lost there. */
export const STREAM_BYTES = 16 * 1024 * 1024;
export const DATAGRAM_BYTES = 64 * 1024;

/** A receive buffer of streams, where none is there: as long as the ring's would be. */
export const BUFFER = support().settings?.receiveBufferSize ?? 64 * 1024;
/** The longest payload of UDP, which a buffer of datagrams has room for. */
const LONGEST = 65_507;

const SECRET = randomBytes(4).toString('hex');
let paths = 0;
const freshPath = (): string => path.join(os.tmpdir(), `matrix-${process.pid}-${SECRET}-${++paths}`);
const portOf = (server: { address: unknown }): number => (server.address as net.AddressInfo).port;
const pathOf = (server: { address: unknown }): string => (server.address as { path: string }).path;

/** What a client exchanges bytes with. */
interface Peer {
  /** Sends bytes, and gets as many back. */
  ask(bytes: Buffer, pieces: Pieces): Promise<Buffer>;
  close(): Promise<void>;
}

/** A server, and how to get a client. */
interface Served {
  connect(): Promise<Peer>;
  close(): Promise<void>;
}

interface Kind {
  readonly sizes: readonly number[];
  /** What clients may have under way together. */
  readonly bytes: number;
  serve(reader: Reader, pieces: Pieces): Promise<Served>;
}

/* ---- streams ---- */

function echoTo(reader: Reader, pieces: Pieces): (connection: Connection) => void {
  const write = (connection: Connection, payload: Parameters<Connection['writeSingle']>[0]) =>
    pieces === 'single' ? connection.writeSingle(payload) : connection.writeMany([payload]);
  if (reader === 'stream') {
    return (connection) =>
      void connection.stream((payload) => {
        void write(connection, payload).catch(() => {});
        payload.release();
      });
  }
  return (connection) =>
    void (async () => {
      for await (const payload of connection) {
        const written = write(connection, payload);
        payload.release();
        await written;
      }
    })();
}

export function streamPeer(connection: Connection): Peer {
  return {
    async ask(bytes, pieces) {
      const written = pieces === 'single' ? connection.writeSingle(bytes) : connection.writeMany(split(bytes, 3));
      const parts: Buffer[] = [];
      for (let got = 0; got < bytes.length; got += parts.at(-1)!.length) parts.push((await connection.read())!.takeBytes());
      await written;
      return Buffer.concat(parts);
    },
    close: () => connection.close(),
  };
}

function streams(serve: typeof worker.servers.tcp, connect: (server: StreamServer) => Promise<Connection>): Kind {
  return {
    sizes: [BUFFER - 1, BUFFER, BUFFER + 1],
    bytes: STREAM_BYTES,
    async serve(reader, pieces) {
      const server = await serve({}, echoTo(reader, pieces));
      return { connect: async () => streamPeer(await connect(server)), close: () => server.close() };
    },
  };
}

/* ---- datagrams ---- */

async function respond(server: DatagramServer, reader: Reader, pieces: Pieces): Promise<void> {
  const answer = (datagram: Datagram) =>
    pieces === 'single' ? datagram.respondSingle(datagram.payload) : datagram.respondMany([datagram.payload]);
  if (reader === 'stream') {
    await server.stream((datagram) => {
      void answer(datagram).catch(() => {});
      datagram.payload.release();
    });
    return;
  }
  for await (const datagram of server) {
    const answered = answer(datagram);
    datagram.payload.release();
    await answered;
  }
}

/** How long an answer may take, in milliseconds, before it is asked for again: loopback loses nothing that has room, and the kernel may be out of it. */
const PATIENCE = 2000;

export function datagramPeer(client: DatagramClient): Peer {
  return {
    async ask(bytes, pieces) {
      const parts = pieces === 'single' ? [bytes] : split(bytes, 3);
      const got: Buffer[] = [];
      for (const part of parts) {
        for (;;) {
          if (pieces === 'single') await client.sendSingle(part);
          else await client.sendMany([part]);
          try {
            got.push((await client.receive({ timeout: PATIENCE })).payload.takeBytes());
            break;
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ERR_IOURING_TIMEOUT') throw error;
          }
        }
      }
      return Buffer.concat(got);
    },
    close: () => client.close(),
  };
}

function datagrams(
  sizes: readonly number[],
  serve: () => Promise<DatagramServer>,
  connect: (server: DatagramServer) => Promise<DatagramClient>,
): Kind {
  return {
    sizes,
    bytes: DATAGRAM_BYTES,
    async serve(reader, pieces) {
      const server = await serve();
      void respond(server, reader, pieces);
      return { connect: async () => datagramPeer(await connect(server)), close: () => server.close() };
    },
  };
}

const KINDS = {
  tcp: streams(
    (options, listener) => worker.servers.tcp(options, listener),
    (server) => worker.clients.tcp({ port: portOf(server) }),
  ),
  unix: streams(
    (options, listener) => worker.servers.unix({ ...options, path: freshPath() }, listener),
    (server) => worker.clients.unix({ path: pathOf(server) }),
  ),
  udp: datagrams(
    // About what is copied to be sent on, and the longest.
    [511, 512, 513, LONGEST],
    () => worker.servers.udp(),
    (server) => worker.clients.udp({ port: portOf(server) }),
  ),
  'unix datagram': datagrams(
    [511, 512, 513, LONGEST],
    () => worker.servers.unixDatagram({ path: freshPath() }),
    (server) => worker.clients.unixDatagram({ path: pathOf(server) }),
  ),
};

/** Bytes in so many pieces. */
function split(bytes: Buffer, count: number): Buffer[] {
  const size = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

export async function nothingLeft(t: ExecutionContext, before: number): Promise<void> {
  for (let i = 0; i < 1000 && (worker.stats().handles > 0 || descriptors() > before); i++) await sleep(5);
  const { handles, operations, buffersLent, arena, views } = worker.stats();
  t.deepEqual([handles, operations, buffersLent, arena, views], [0, 0, 0, 0, 0]);
  t.deepEqual([worker.buffers.used(), [...worker.servers, ...worker.clients].length], [0, 0]);
  t.true(descriptors() <= before, `${descriptors()} descriptors, ${before} before`);
}

/** Has clients ask, as many at a time as there is room for. */
export async function askAll(
  t: ExecutionContext,
  peers: readonly Peer[],
  size: number,
  pieces: Pieces,
  room: number,
): Promise<void> {
  const atATime = Math.max(1, Math.floor(room / size));
  const asking = Math.min(peers.length, ASKING);
  let next = 0;
  const one = async (): Promise<void> => {
    for (let index = next++; index < asking; index = next++) {
      const bytes = Buffer.alloc(size, `client ${index} `);
      const back = await peers[index].ask(bytes, pieces);
      if (!bytes.equals(back)) t.fail(`client ${index} got something else`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, asking) }, one));
}

export function declareMatrix(name: keyof typeof KINDS, readers: readonly Reader[] = READERS): void {
  const { sizes, bytes, serve } = KINDS[name];
  for (const size of sizes) {
    for (const pieces of PIECES) {
      for (const clients of CLIENTS) {
        for (const reader of readers) {
          test.serial(`${name}: ${size} bytes, ${pieces}, ${clients} clients, ${reader}`, async (t) => {
            const before = descriptors();
            const served = await serve(reader, pieces);
            const peers = await Promise.all(Array.from({ length: clients }, () => served.connect()));
            await askAll(t, peers, size, pieces, bytes);
            await Promise.all(peers.map((peer) => peer.close()));
            await served.close();
            await nothingLeft(t, before);
          });
        }
      }
    }
  }
}
