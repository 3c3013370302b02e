/**
 * What the clients of the scenario `pool` share. Prints `ready` at once; a line `measure COUNT SIZE SECONDS` on standard input has it keep COUNT requests of SIZE bytes
 * under way, and is answered after so many seconds with how many there were and how long they took. Ends when standard input closes.
 */
import process from 'node:process';

/** Of the pool. */
export const CONNECTIONS = 64;

/** Of so many requests one is timed: asking the clock costs something too. */
const TIMED_EVERY = 16;

/** @param request sends bytes, and resolves to whether the same came back */
export async function runRequester(request) {
  process.stdout.write('ready\n');
  for await (const line of process.stdin.setEncoding('utf8')) {
    const [, count, size, seconds] = /^measure (\d+) (\d+) ([\d.]+)$/m.exec(line) ?? [];
    if (count !== undefined)
      process.stdout.write(`${JSON.stringify(await measure(request, Number(count), Number(size), seconds))}\n`);
  }
  process.exit(0);
}

async function measure(request, count, size, seconds) {
  const bytes = Buffer.alloc(size, 'x');
  const latencies = [];
  let requests = 0;
  let wrong = 0;
  let stopped = false;
  const ask = async () => {
    while (!stopped) {
      const begun = requests % TIMED_EVERY === 0 ? performance.now() : undefined;
      if (!(await request(bytes))) wrong++;
      if (begun !== undefined) latencies.push(performance.now() - begun);
      requests++;
    }
  };
  const begun = performance.now();
  setTimeout(() => (stopped = true), Number(seconds) * 1000);
  await Promise.all(Array.from({ length: count }, ask));
  const took = (performance.now() - begun) / 1000;
  const sorted = Float64Array.from(latencies).sort();
  const at = (share) => sorted[Math.floor((sorted.length - 1) * share)] * 1000;
  return { requests, bytes: requests * size, seconds: took, latencyMicros: { p50: at(0.5), p99: at(0.99) }, errors: { wrong } };
}
