/**
 * The same service on io_uring and on core, in turns: requests a second, CPU time of the service for one, latencies, errors.
 *
 *     node examples/service/tools/load.mjs                 five rounds of three seconds
 *     node examples/service/tools/load.mjs --quick         two of one
 *
 * The client runs beside the service and has the larger part of the work: CPU time for a request is what tells the backends apart. Results as JSON go to
 * bench/results/service.json.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import Table from 'cli-table3';
import { median } from '../../../bench/lib/statistics.mjs';
import { inRoot } from '../../../scripts/lib.mjs';
import { quantile, startLoad } from './client.mjs';
import { startDatabases, startService, whyNot } from './stack.mjs';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 2 : 5;
const SECONDS = isQuick ? 1 : 3;
/** Seconds of each scenario before anything is measured: V8 has compiled what is hot by then, and PostgreSQL has it in memory. */
const WARM_UP = isQuick ? 1 : 3;
const CONNECTIONS = 50;
const UPLOAD = Buffer.alloc(256 * 1024, 'upload');
const octets = { 'content-type': 'application/octet-stream' };

const SCENARIOS = {
  'JSON from Redis': (url) => () => ({ url: `${url}/items/7` }),
  'rows from PostgreSQL': (url) => () => ({ url: `${url}/items?limit=20` }),
  'uploads of 256 KiB': (url) => () => ({ url: `${url}/uploads`, method: 'POST', headers: octets, body: UPLOAD }),
};

/** CPU time of a process and its children, in microseconds. */
function cpuOf(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  // Behind the name, which may have anything in it: utime and stime are the twelfth and thirteenth, in hundredths of a second.
  return [pid, ...children].reduce((sum, one) => {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) * 10_000;
  }, 0);
}

async function load(next, seconds) {
  const running = startLoad(CONNECTIONS, next);
  await sleep(seconds * 1000);
  return running.stop();
}

async function measure(service, next) {
  const before = cpuOf(service.child.pid);
  const { statuses, errors, micros } = await load(next, SECONDS);
  const wrong = [...statuses].reduce((sum, [status, count]) => sum + (status < 300 ? 0 : count), errors.length);
  return {
    perSecond: micros.length / SECONDS,
    cpu: (cpuOf(service.child.pid) - before) / micros.length,
    ...{ p50: quantile(micros, 0.5), p99: quantile(micros, 0.99), errors: wrong },
  };
}

const reason = whyNot({ mayInstall: true });
if (reason !== undefined) {
  console.log(`The service cannot be started here: ${reason}`);
  process.exit(0);
}
const databases = await startDatabases();
// Both at once, the one idle while the other is measured: so what compilers and databases have warmed up by then is the same for both.
const services = {
  core: await startService('core', databases.env),
  uring: await startService('uring', databases.env),
};
for (const service of Object.values(services)) {
  for (const next of Object.values(SCENARIOS)) await load(next(service.url), WARM_UP);
}
const runs = [];
for (let round = 0; round < ROUNDS; round++) {
  const backends = round % 2 === 0 ? ['core', 'uring'] : ['uring', 'core'];
  for (const [scenario, next] of Object.entries(SCENARIOS)) {
    for (const backend of backends) {
      runs.push({ scenario, backend, round, ...(await measure(services[backend], next(services[backend].url))) });
    }
  }
}
for (const service of Object.values(services)) await service.stop();
await databases.stop();

const table = new Table({
  head: ['', 'backend', 'requests/s', 'CPU µs', 'p50 µs', 'p99 µs', 'errors'],
  style: { head: [], border: [] },
});
const of = (scenario, backend, field) =>
  runs.filter((run) => run.scenario === scenario && run.backend === backend).map((run) => run[field]);
for (const scenario of Object.keys(SCENARIOS)) {
  for (const backend of ['core', 'uring']) {
    const figures = ['perSecond', 'cpu', 'p50', 'p99'].map((field) => Math.round(median(of(scenario, backend, field))));
    table.push([scenario, backend, ...figures, of(scenario, backend, 'errors').reduce((sum, count) => sum + count, 0)]);
  }
  const ratio = (field) => (median(of(scenario, 'uring', field)) / median(of(scenario, 'core', field))).toFixed(2);
  table.push([scenario, 'uring ÷ core', ratio('perSecond'), ratio('cpu'), ratio('p50'), ratio('p99'), '']);
}
console.log(`${table}\nMedians of ${ROUNDS} rounds of ${SECONDS} s, ${CONNECTIONS} connections, two workers.`);
mkdirSync(inRoot('bench', 'results'), { recursive: true });
writeFileSync(inRoot('bench', 'results', 'service.json'), `${JSON.stringify(runs, null, 1)}\n`);
