import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { isDatagram } from '../lib/processes.mjs';
import ours from './ours.mjs';

/** What its server of streams can do. */
const MODES = new Set(['echo', 'pipe', 'sink', 'source']);

export default {
  name: 'transport',
  about: 'iouring-transport/transport: payloads in, payloads out',
  collectsGarbage: true,
  env: ours.env,
  missing: ours.missing,
  command: (mode, address) => [
    process.execPath,
    '--expose-gc',
    inRoot('bench', 'servers', isDatagram(address) ? 'transport-datagrams.mjs' : 'transport.mjs'),
    ...['iouring-transport/transport', mode, address],
  ],
  cannot: (scenario) =>
    scenario.datagrams || (!scenario.files && MODES.has(scenario.mode)) ? undefined : 'has streams and datagrams alone',
};
