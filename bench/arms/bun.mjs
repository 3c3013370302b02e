import { bunArm } from '../lib/bun-arm.mjs';
import { serverScript } from '../lib/processes.mjs';

export default bunArm('bun', "node:net and node:http in Bun, with the same file as core's", (mode, address) => [
  ...serverScript(mode, { net: 'node:net', http: 'node:http' }),
  mode,
  address,
]);
