/**
 * An echo server and a client of the transport, over TCP and at a path: payloads come in and go out from where the kernel has put them, and no stream is in between.
 *
 *     node examples/transport-echo.mjs
 */
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { worker } from 'iouring-transport/transport';

/** Who gets a payload releases it; writing it somewhere does not. */
function echo(connection) {
  connection.stream((payload) => {
    connection.writeSingle(payload);
    payload.release();
  });
}

async function talk(name, client) {
  await client.writeSingle(Buffer.from(`hello over ${name}`));
  const payload = await client.read();
  console.log(`echoed: ${payload.takeBytes()}`);
  await client.close();
}

const tcp = await worker.servers.tcp({ port: 0 }, echo);
const unix = await worker.servers.unix({ path: path.join(os.tmpdir(), `echo-${process.pid}`) }, echo);
await talk('TCP', await worker.clients.tcp({ port: tcp.address.port }));
await talk('a path', await worker.clients.unix({ path: unix.address.path }));
await worker.shutdown();
console.log('servers closed');
