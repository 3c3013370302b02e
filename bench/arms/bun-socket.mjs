import { inRoot } from '../../scripts/lib.mjs';
import { bunArm } from '../lib/bun-arm.mjs';

const server = inRoot('bench', 'servers', 'bun-socket.mjs');

export default bunArm(
  'bun-socket',
  "Bun's own servers (Bun.listen, Bun.serve), callbacks instead of streams",
  (mode, address) => [server, mode, address],
);
