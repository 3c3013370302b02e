import { bunArm } from '../lib/bun-arm.mjs';
import { serverScript } from '../lib/processes.mjs';

const MODULES = {
  ...{ net: 'node:net', tls: 'node:tls', dgram: 'node:dgram' },
  ...{ http: 'node:http', https: 'node:https', http2: 'node:http2' },
};

export default bunArm('bun', "node:net, node:http and node:dgram in Bun, with the same file as core's", (mode, address) => [
  ...serverScript(mode, address, MODULES),
]);
