import process from 'node:process';
import { serverScript } from '../lib/processes.mjs';

export default {
  name: 'core',
  about: 'node:net, node:http',
  collectsGarbage: true,
  command: (mode, address) => [
    process.execPath,
    '--expose-gc',
    ...serverScript(mode, { net: 'node:net', http: 'node:http' }),
    mode,
    address,
  ],
};
