/** The server of the scenario `workers` for the arm `transport`: `node transport-workers.mjs MODULE MODE ADDRESS`, as workers.mjs, by threads of a `Transport`. */
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';
import { work } from './work.mjs';

/** What each worker runs. */
export default async function start(worker, { host, port }) {
  const server = await worker.servers.tcp({ host, port, backlog: 4096 }, (connection) =>
    connection.stream((payload) => {
      work();
      connection.writeSingle(payload);
      payload.release();
    }),
  );
  worker.send(0, server.address);
}

async function main() {
  const [name, , address] = process.argv.slice(2);
  const { Transport } = await import(name);
  const [, host, port] = /^(.*):(\d+)$/.exec(address);
  const transport = new Transport({ workers: Number(process.env.BENCH_WORKERS) });
  const bound = new Promise((resolve) => transport.once('message', resolve));
  await transport.start(import.meta.url, { host, port: Number(port) });
  const got = await bound;
  process.stdout.write(`${got.address}:${got.port}\n`);
  process.stdin.on('data', () => {}).on('end', () => process.exit(0));
}

if (isMainThread) await main();
