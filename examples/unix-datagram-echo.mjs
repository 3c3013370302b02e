/**
 * An echo server of UNIX-domain datagrams: messages with borders, in order and without loss, between processes of one machine. A client that says no path of its own
 * has an abstract name, by which it is answered to.
 *
 *     node examples/unix-datagram-echo.mjs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { worker } from 'iouring-transport/transport';

if (worker.backend !== 'uring') {
  console.log('Core has no UNIX-domain datagrams, and io_uring is not in use here.');
  process.exit(0);
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'example-'));
const server = await worker.servers.unixDatagram({ path: path.join(folder, 'echo'), credentials: true });
const serving = (async () => {
  for await (const datagram of server) {
    const { pid } = datagram.ancillary.credentials;
    console.log(`${datagram.payload.length} bytes from process ${pid === process.pid ? 'of ours' : pid}`);
    await datagram.respondSingle(datagram.payload);
    datagram.payload.release();
  }
})();

const client = await worker.clients.unixDatagram({ path: server.address.path });
for (const text of ['one', 'two', 'three']) await client.sendSingle(Buffer.from(text));
for (let i = 0; i < 3; i++) {
  const { payload } = await client.receive();
  console.log(`echoed: ${payload.takeBytes()}`);
}

await client.close();
await server.close();
await serving;
rmSync(folder, { recursive: true });
console.log('server closed, its path is gone');
