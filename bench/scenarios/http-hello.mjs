/** HTTP requests that are answered with a few bytes: core's `http` over either's sockets, under wrk. */
import { HTTP_ARMS, measureRequests, missingProgram, wrk } from '../lib/requests.mjs';

export default {
  name: 'http-hello',
  title: 'HTTP hello',
  unit: 'request',
  takes: (arm) => HTTP_ARMS.includes(arm.name),
  missing: () => missingProgram('wrk', 'wrk'),
  /** Figures to reach in a case. */
  reach({ pipeline, headers }) {
    if (pipeline > 1 || headers.length > 0) return [];
    const against = (metric, atMost) => ({ metric, over: 'ours', under: 'core', atMost });
    return [against('CPU', 0.92), against('p99', 1)];
  },
  cases({ connections = [50], pipeline = [1, 16] }) {
    return connections.flatMap((c) => [
      ...pipeline.map((p) => ({
        name: `${c} connections, kept alive${p > 1 ? `, pipelined ${p}` : ''}`,
        ...{ connections: c, pipeline: p, headers: [] },
      })),
      { name: `${c} connections, one request each`, connections: c, pipeline: 1, headers: ['Connection: close'] },
    ]);
  },
  async measure(one, arm, options) {
    const run = await measureRequests(arm, 'hello', options, (server, seconds) => wrk(server, one, seconds));
    // wrk's correction of latencies takes one request under way for granted: pipelined, its percentiles mean nothing (some are 0).
    return one.pipeline > 1 ? { ...run, latencyMicros: undefined } : run;
  },
};
