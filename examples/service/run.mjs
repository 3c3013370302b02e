/**
 * Starts the service with a PostgreSQL and a Redis of its own, until Ctrl-C.
 *
 *     node examples/service/run.mjs            on io_uring
 *     node examples/service/run.mjs core       the same code on Node's own modules
 */
import process from 'node:process';
import { startDatabases, startService, whyNot } from './tools/stack.mjs';

const [backend = 'uring'] = process.argv.slice(2);
const reason = whyNot({ mayInstall: true });
if (reason !== undefined) {
  console.log(`The service cannot be started here: ${reason}`);
} else {
  const databases = await startDatabases();
  const service = await startService(backend, { PORT: process.env.PORT ?? '8080', ...databases.env });
  console.log(`On ${service.backend}: ${service.url}/items/1, ${service.url}/readyz, metrics at ${service.metrics}`);
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  console.log(`Ended with ${await service.stop()}`);
  await databases.stop();
}
