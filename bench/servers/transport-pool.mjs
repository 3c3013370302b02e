/** The client of the scenario `pool` for the arm `transport`: `node transport-pool.mjs MODULE MODE ADDRESS`, as pool.mjs, with a `ClientPool`. */
import process from 'node:process';
import { CONNECTIONS, runRequester } from './requester.mjs';

const [name, , address] = process.argv.slice(2);
const { ClientPool, worker } = await import(name);
const [, host, port] = /^(.*):(\d+)$/.exec(address);

const connect = (signal) => worker.clients.tcp({ host, port: Number(port), signal });
// As many are under way as there are connections: with that policy none has two.
const pool = new ClientPool(connect, { size: CONNECTIONS, policy: 'least-pending' });
while (pool.count < CONNECTIONS) await new Promise((resolve) => setTimeout(resolve, 10));

async function request(connection, bytes) {
  connection.writeSingle(bytes);
  const payload = await connection.read();
  if (payload.length === bytes.length) return payload.takeBytes();
  const parts = [payload.takeBytes()];
  for (let missing = bytes.length - payload.length; missing > 0;) {
    const more = await connection.read();
    missing -= more.length;
    parts.push(more.takeBytes());
  }
  return Buffer.concat(parts);
}

await runRequester((bytes) => pool.use(async (connection) => (await request(connection, bytes)).equals(bytes)));
