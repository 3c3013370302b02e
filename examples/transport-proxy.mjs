/**
 * A proxy that never copies what it passes on: a payload is sent from the buffer that the kernel has received it into. What the one side does not take holds the other
 * back, since a payload that is not released counts against its connection's share.
 *
 *     node examples/transport-proxy.mjs
 */
import { randomBytes } from 'node:crypto';
import { worker } from 'iouring-transport/transport';

/** Passes everything on, and the end behind it. */
async function pass(from, to) {
  await from.stream(async (payload) => {
    await to.writeSingle(payload).catch(() => {});
    payload.release();
  });
  await to.shutdown();
}

const origin = await worker.servers.tcp({}, (connection) => {
  connection.stream((payload) => {
    connection.writeSingle(payload);
    payload.release();
  });
});
const proxy = await worker.servers.tcp({ allowHalfOpen: true }, async (client) => {
  const upstream = await worker.clients.tcp({ port: origin.address.port, allowHalfOpen: true });
  try {
    await Promise.all([pass(client, upstream), pass(upstream, client)]);
    await Promise.all([client.close(), upstream.close()]);
  } catch {
    client.reset();
    upstream.reset();
  }
});

const bytes = randomBytes(16 * 1024 * 1024);
const client = await worker.clients.tcp({ port: proxy.address.port });
const parts = [];
const answered = client.stream((payload) => parts.push(payload.takeBytes()));
for (let at = 0; at < bytes.length; at += 65_536) await client.writeSingle(bytes.subarray(at, at + 65_536));
await client.shutdown();
await answered;
console.log(
  `${Buffer.concat(parts).length} bytes went through and back, ${bytes.equals(Buffer.concat(parts)) ? 'intact' : 'broken'}`,
);
await worker.shutdown();
console.log(`buffers held: ${worker.buffers.used()}`);
