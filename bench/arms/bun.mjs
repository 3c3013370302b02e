import { bunArm } from '../lib/bun-arm.mjs';
import { streamServer } from '../lib/processes.mjs';

export default bunArm('bun', "node:net in Bun, with the same file as core's", (mode, address) => [
  streamServer,
  'node:net',
  mode,
  address,
]);
