// The matrix of servers that several threads share: what clients of this thread have sent comes back from whichever worker the kernel has dealt them to.
import dgram from 'node:dgram';
import { once } from 'node:events';
import test from 'ava';
import { askAll, BUFFER, DATAGRAM_BYTES, datagramPeer, nothingLeft, PIECES, STREAM_BYTES, streamPeer } from './_matrix.ts';
import { descriptors } from './_workers.ts';

const { Transport, worker } = await import('iouring-transport/transport');

/** A module whose function has this body. */
const does = (body: string): string =>
  `data:text/javascript,${encodeURIComponent(`export default async (worker, port) => { ${body} };`)}`;

/** A port that no UDP socket has. */
async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

const KINDS = {
  tcp: {
    size: BUFFER + 1,
    bytes: STREAM_BYTES,
    port: () => Promise.resolve(0),
    module: does(`
      const server = await worker.servers.tcp({ port }, (connection) => {
        connection.stream((payload) => {
          connection.writeSingle(payload);
          payload.release();
        });
      });
      worker.send(0, server.address.port);`),
    connect: async (port: number) => streamPeer(await worker.clients.tcp({ port })),
  },
  udp: {
    size: 513,
    bytes: DATAGRAM_BYTES,
    port: freePort,
    module: does(`
      const server = await worker.servers.udp({ port });
      server.stream((datagram) => {
        datagram.respondSingle(datagram.payload);
        datagram.payload.release();
      });
      worker.send(0, server.address.port);`),
    connect: async (port: number) => datagramPeer(await worker.clients.udp({ port })),
  },
};

for (const [name, kind] of Object.entries(KINDS)) {
  for (const workers of [1, 2]) {
    for (const pieces of PIECES) {
      for (const clients of [1, 128]) {
        test.serial(`${name}: ${workers} workers, ${kind.size} bytes, ${pieces}, ${clients} clients`, async (t) => {
          const before = descriptors();
          // Threads need no TypeScript.
          const transport = new Transport({ workers, thread: { execArgv: [] } });
          const ports: number[] = [];
          transport.on('message', (port) => ports.push(port as number));
          await transport.start(kind.module, await kind.port());
          while (ports.length < workers) await once(transport, 'message');
          t.is(new Set(ports).size, 1);
          const peers = await Promise.all(Array.from({ length: clients }, () => kind.connect(ports[0])));
          await askAll(t, peers, kind.size, pieces, kind.bytes);
          await Promise.all(peers.map((peer) => peer.close()));
          await transport.shutdown();
          await nothingLeft(t, before);
        });
      }
    }
  }
}
