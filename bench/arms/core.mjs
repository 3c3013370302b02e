import process from 'node:process';
import { serverScript } from '../lib/processes.mjs';

const MODULES = {
  ...{ net: 'node:net', tls: 'node:tls', dgram: 'node:dgram' },
  ...{ http: 'node:http', https: 'node:https', http2: 'node:http2' },
};

export default {
  name: 'core',
  about: 'node:net, node:http, node:dgram',
  collectsGarbage: true,
  command: (mode, address) => [process.execPath, '--expose-gc', ...serverScript(mode, address, MODULES)],
};
