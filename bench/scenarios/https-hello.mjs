/** As http-hello, over TLS. */
import { makeCertificate } from '../lib/certificate.mjs';
import { HTTP_ARMS, measureRequests, missingProgram, wrk } from '../lib/requests.mjs';

export default {
  name: 'https-hello',
  title: 'HTTPS hello',
  unit: 'request',
  takes: (arm) => HTTP_ARMS.includes(arm.name),
  missing: () => missingProgram('wrk', 'wrk') ?? makeCertificate(),
  /** Figures to reach in a case. */
  reach: () => [
    { metric: 'CPU', over: 'ours', under: 'core', atMost: 0.92 },
    { metric: 'p99', over: 'ours', under: 'core', atMost: 1 },
  ],
  cases: ({ connections = [50] }) =>
    connections.map((c) => ({ name: `${c} connections, kept alive`, scheme: 'https', connections: c })),
  measure: (one, arm, options) => measureRequests(arm, 'secure-hello', options, (server, seconds) => wrk(server, one, seconds)),
};
