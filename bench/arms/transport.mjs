import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { isDatagram } from '../lib/processes.mjs';
import ours from './ours.mjs';

/** The server of each mode of streams that it has. */
const FILES = {
  ...{ echo: 'transport.mjs', pipe: 'transport.mjs', sink: 'transport.mjs', source: 'transport.mjs', proxy: 'transport.mjs' },
  ...{ pool: 'transport-pool.mjs', workers: 'transport-workers.mjs' },
};

export default {
  name: 'transport',
  about: 'iouring-transport/transport: payloads in, payloads out',
  collectsGarbage: true,
  env: ours.env,
  missing: ours.missing,
  command: (mode, address) => [
    process.execPath,
    '--expose-gc',
    inRoot('bench', 'servers', isDatagram(address) ? 'transport-datagrams.mjs' : FILES[mode]),
    ...['iouring-transport/transport', mode, address],
  ],
  cannot: (scenario) =>
    scenario.datagrams || (!scenario.files && Object.hasOwn(FILES, scenario.mode))
      ? undefined
      : 'has streams and datagrams alone',
};
