/** HTTP requests that are answered with 64 KiB. */

import { HTTP_ARMS, measureRequests, missingProgram, wrk } from '../lib/requests.mjs';

export default {
  name: 'http-body',
  title: 'HTTP, 64 KiB',
  unit: 'request',
  takes: (arm) => HTTP_ARMS.includes(arm.name),
  missing: () => missingProgram('wrk', 'wrk'),
  /** Figures to reach in a case. */
  reach: () => [{ metric: 'CPU', over: 'ours', under: 'core', atMost: 0.95 }],
  cases: ({ connections = [50] }) =>
    connections.map((c) => ({ name: `${c} connections, kept alive`, scheme: 'http', connections: c })),
  measure: (one, arm, options) => measureRequests(arm, 'body', options, (server, seconds) => wrk(server, one, seconds)),
};
