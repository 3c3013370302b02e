import process from 'node:process';
import { serverScript } from '../lib/processes.mjs';

const MODULES = { net: 'node:net', http: 'node:http', dgram: 'node:dgram' };

export default {
  name: 'core',
  about: 'node:net, node:http, node:dgram',
  collectsGarbage: true,
  command: (mode, address) => [process.execPath, '--expose-gc', ...serverScript(mode, address, MODULES)],
};
