/** HTTP/2 requests that are answered with a few bytes: core's `http2` over either's sockets, under h2load. */
import { readFileSync } from 'node:fs';
import { makeCertificate } from '../lib/certificate.mjs';
import { HTTP_ARMS, longerWarm, measureRequests, missingProgram } from '../lib/requests.mjs';
import { Child } from '../lib/processes.mjs';

const STREAMS = 10;

/** Runs h2load, whose report is for people. */
async function h2load(server, { connections, secure }, seconds) {
  const url = `${secure ? 'https' : 'http'}://${server.address}/`;
  const command = ['h2load', '-c', String(connections), '-m', String(STREAMS), '-D', String(seconds), url];
  const child = new Child({ cpu: 1, command });
  const ticks = () => {
    const [, utime, stime] = /^(?:\S+ ){13}(\d+) (\d+)/.exec(
      readFileSync(`/proc/${child.pid}/stat`, 'utf8').replace(/\(.*\)/, '-'),
    );
    return (Number(utime) + Number(stime)) / 100;
  };
  let loadCpuSeconds = 0;
  const found = {};
  const look = (line) => {
    const total = /^finished in ([\d.]+)(m?s)/.exec(line);
    if (total !== null) found.seconds = total[2] === 'ms' ? Number(total[1]) / 1000 : Number(total[1]);
    const counts = /^requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(line);
    if (counts !== null) {
      found.requests = Number(counts[2]);
      found.errors = { failed: Number(counts[3]), errored: Number(counts[4]), timeout: Number(counts[5]) };
    }
    const traffic = /^traffic: .*\((\d+)\) total/.exec(line);
    if (traffic !== null) found.bytes = Number(traffic[1]);
  };
  try {
    for (;;) {
      const line = await child.readLine();
      if (line === undefined) break;
      try {
        loadCpuSeconds = ticks();
      } catch {
        // It has ended: what was seen last has to do.
      }
      look(line);
    }
  } finally {
    await child.stop();
  }
  if (found.requests === undefined || found.seconds === undefined) throw new Error(`h2load: ${child.complaints}`);
  return { ...found, loadCpuSeconds };
}

export default {
  name: 'h2-hello',
  title: 'HTTP/2 hello',
  unit: 'request',
  takes: (arm) => HTTP_ARMS.includes(arm.name) && arm.name !== 'bun-socket',
  missing: () => missingProgram('h2load', 'nghttp2-client') ?? makeCertificate(),
  /** Figures to reach in a case. */
  reach: () => [{ metric: 'CPU', over: 'ours', under: 'core', atMost: 0.95 }],
  cases: ({ connections = [10] }) =>
    connections.flatMap((c) =>
      [false, true].map((secure) => ({
        name: `${c} connections with ${STREAMS} streams each${secure ? ', over TLS' : ''}`,
        connections: c,
        secure,
      })),
    ),
  measure: (one, arm, options) =>
    measureRequests(arm, one.secure ? 'h2-secure-hello' : 'h2-hello', longerWarm(options), (server, seconds) =>
      h2load(server, one, seconds),
    ),
};
