/** Bytes in one direction over one TLS connection. */
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { makeCertificate } from '../lib/certificate.mjs';
import { measureRequests, runProgram } from '../lib/requests.mjs';
import tcpStream from './tcp-stream.mjs';

const ARMS = ['core', 'ours', 'core-again', 'bun'];

export default {
  name: 'tls-stream',
  title: 'TLS stream',
  unit: 'MiB',
  columns: tcpStream.columns,
  metrics: tcpStream.metrics,
  plotted: tcpStream.plotted,
  takes: (arm) => ARMS.includes(arm.name),
  missing: makeCertificate,
  /** Figures to reach in a case. */
  reach: () => [{ metric: 'CPU', over: 'ours', under: 'core', atMost: 0.95 }],
  cases: () => [
    { name: '1 connection to the server', direction: 'upload', mode: 'secure-sink' },
    { name: '1 connection from the server', direction: 'download', mode: 'secure-source' },
  ],
  measure: ({ direction, mode }, arm, options) =>
    measureRequests(arm, mode, options, ({ address }, seconds) =>
      runProgram([process.execPath, inRoot('bench', 'lib', 'tls-load.mjs'), direction, address, String(seconds)], seconds),
    ),
};
