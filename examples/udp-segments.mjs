/**
 * Many datagrams at the price of a few: the sender gives the kernel what it is to cut into datagrams (GSO), and those of one tick go through it together; the kernel
 * may put them together again where they are received (GRO), and each is handed over by itself all the same. The server answers each batch with one receipt.
 *
 *     node examples/udp-segments.mjs
 */
import { worker } from 'iouring-transport/transport';

const SIZE = 1000;
const DATAGRAMS = 100;

const server = await worker.servers.udp({ gro: true, dropCounter: true, transport: { receiveBufferSize: 1024 * 1024 } });
let [received, bytes, dropped] = [0, 0, 0];
server.stream((datagram) => {
  received++;
  bytes += datagram.payload.length;
  dropped = datagram.ancillary?.dropped ?? dropped;
  // Of no bytes is what asks how much has come.
  if (datagram.payload.length === 0)
    datagram.respondMany([`${received - 1} datagrams`, `${bytes} bytes`].map((line) => Buffer.from(line)));
  datagram.payload.release();
});

const client = await worker.clients.udp({ port: server.address.port });
// Half of them by themselves, and half of them in one piece, which the kernel cuts, 25 at a time.
await client.sendMany(Array.from({ length: DATAGRAMS / 2 }, () => Buffer.alloc(SIZE, 'x')));
const half = Buffer.alloc((SIZE * DATAGRAMS) / 4, 'y');
await client.sendMany([half, half], { segmentSize: SIZE });
await client.sendSingle(Buffer.alloc(0));

for (let i = 0; i < 2; i++) {
  const { payload } = await client.receive({ timeout: 2000 });
  console.log(`the server has got ${payload.takeBytes()}`);
}
console.log(`dropped for want of room: ${dropped}`);

await client.close();
await server.close();
