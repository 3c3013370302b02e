/** TLS connections that carry one message each and close, with and without resumed sessions. */
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { makeCertificate } from '../lib/certificate.mjs';
import { measureRequests, runProgram } from '../lib/requests.mjs';

const ARMS = ['core', 'ours', 'core-again', 'bun'];

export default {
  name: 'tls-connect',
  title: 'TLS connections, one message each',
  unit: 'connection',
  takes: (arm) => ARMS.includes(arm.name),
  missing: makeCertificate,
  /** Figures to reach in a case. */
  reach: () => [{ metric: 'CPU', over: 'ours', under: 'core', atMost: 1 }],
  cases: () => [
    { name: '10 at a time, whole handshakes', kind: 'connect' },
    { name: '10 at a time, resumed sessions', kind: 'resume' },
  ],
  measure: ({ kind }, arm, options) =>
    measureRequests(arm, 'secure-echo', options, ({ address }, seconds) =>
      runProgram([process.execPath, inRoot('bench', 'lib', 'tls-load.mjs'), kind, address, String(seconds)], seconds),
    ),
};
