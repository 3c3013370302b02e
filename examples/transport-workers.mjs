/**
 * HTTP by several workers: each is a thread with a ring of its own, all listen at one port, and one that dies is started again.
 *
 *     node examples/transport-workers.mjs
 */
import { isMainThread } from 'node:worker_threads';
import { Transport } from 'iouring-transport/transport';

/** What each worker runs. */
export default async function start(worker, { greeting }) {
  const server = await worker.servers.tcp({ port: 0 }, async (connection) => {
    let head = '';
    for await (const payload of connection) {
      head += payload.takeBytes().toString('latin1');
      if (!head.includes('\r\n\r\n')) continue;
      if (head.startsWith('GET /die ')) process.nextTick(() => process.exit(1));
      const body = `${greeting} from worker ${worker.id}\n`;
      await connection.writeSingle(
        Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`),
      );
      await connection.close();
    }
  });
  worker.send(0, server.address.port);
}

async function main() {
  const transport = new Transport({ workers: 2, restart: { minBackoff: 1 } });
  const ports = [];
  transport.on('message', (port) => ports.push(port));
  transport.on('error', (error) => console.log(`${error.message}: it is started again`));
  await transport.start(new URL(import.meta.url), { greeting: 'hello' });
  while (ports.length < transport.workers.length) await new Promise((resolve) => transport.once('message', resolve));

  const url = `http://127.0.0.1:${ports[0]}/`;
  const answers = await Promise.all(Array.from({ length: 32 }, async () => (await fetch(url)).text()));
  console.log(`${answers.length} answers, such as: ${answers[0].trim()}`);

  const again = new Promise((resolve) => transport.once('worker', resolve));
  await fetch(`${url}die`).catch(() => {});
  const { state, restarts } = await again;
  console.log(`worker ${state} again, after ${restarts} restart: ${(await (await fetch(url)).text()).trim()}`);
  await transport.shutdown();
}

if (isMainThread) await main();
