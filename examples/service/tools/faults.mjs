/**
 * What becomes of requests when something breaks under load: Redis is killed and comes back, PostgreSQL stands still for a while, the service is told to end.
 *
 *     node examples/service/tools/faults.mjs            on io_uring and on core
 */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startLoad } from './client.mjs';
import { startDatabases, startService, whyNot } from './stack.mjs';

const CONNECTIONS = 16;
/** Milliseconds: long enough that every connection asks once more meanwhile, also on a machine with much else to do. */
const DRAIN = 3000;

/** Runs all three on one backend. @returns of each: requests by status, and errors */
export async function runFaults(backend, databases) {
  const service = await startService(backend, { ...databases.env, DRAIN_MS: String(DRAIN) });
  let count = 0;
  const both = () => ({ url: `${service.url}${count++ % 2 === 0 ? `/items/${1 + (count % 200)}` : '/items?limit=5'}` });

  const killed = startLoad(CONNECTIONS, both);
  await sleep(300);
  await databases.killRedis();
  await sleep(700);
  await databases.restartRedis();
  await sleep(300);
  const redis = await killed.stop();

  const paused = startLoad(CONNECTIONS, both);
  await sleep(300);
  databases.pausePostgres();
  await sleep(700);
  databases.resumePostgres();
  await sleep(300);
  const postgres = await paused.stop();

  const ending = startLoad(CONNECTIONS, both);
  await sleep(500);
  const status = await service.stop();
  const end = await ending.stop();
  return {
    redis: summary(redis),
    postgres: summary(postgres),
    end: { ...summary(end), status, workers: service.events.filter(({ event }) => event === 'worker ended') },
  };
}

/** An error is lost work where the service had the request: it broke off an answer, or a connection that it kept. */
function summary({ statuses, errors }) {
  const lost = errors.filter(({ answering, reused }) => answering || reused);
  return {
    statuses: Object.fromEntries(statuses),
    refused: errors.length - lost.length,
    lost: lost.map(({ code, message }) => code ?? message),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const reason = whyNot({ mayInstall: true });
  if (reason !== undefined) {
    console.log(`The service cannot be started here: ${reason}`);
  } else {
    const databases = await startDatabases();
    for (const backend of ['uring', 'core']) console.log(backend, JSON.stringify(await runFaults(backend, databases), null, 2));
    await databases.stop();
  }
}
