/** HTTP requests to two workers of a cluster, which share one CPU; what all three processes cost counts. */
import { HTTP_ARMS, longerWarm, measureRequests, missingProgram, wrk } from '../lib/requests.mjs';

const MODES = { 'dealt by the primary': 'cluster-hello', 'a shared listener': 'shared-cluster-hello' };

export default {
  name: 'cluster-hello',
  title: 'HTTP hello, two workers of a cluster',
  unit: 'request',
  takes: (arm) => HTTP_ARMS.includes(arm.name) && !arm.name.startsWith('bun'),
  missing: () => missingProgram('wrk', 'wrk'),
  /** Figures to reach in a case. */
  reach: ({ headers }) => (headers.length > 0 ? [] : [{ metric: 'CPU', over: 'ours', under: 'core', atMost: 0.7 }]),
  cases({ connections = [50] }) {
    return connections.flatMap((c) =>
      Object.entries(MODES).flatMap(([how, mode]) => [
        { name: `${c} connections, kept alive, ${how}`, connections: c, mode, headers: [] },
        { name: `${c} connections, one request each, ${how}`, connections: c, mode, headers: ['Connection: close'] },
      ]),
    );
  },
  measure: (one, arm, options) =>
    measureRequests(arm, one.mode, longerWarm(options), (server, seconds) => wrk(server, one, seconds)),
};
