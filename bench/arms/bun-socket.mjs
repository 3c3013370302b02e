import { inRoot } from '../../scripts/lib.mjs';
import { bunArm } from '../lib/bun-arm.mjs';
import { isDatagram } from '../lib/processes.mjs';

const server = (address) => inRoot('bench', 'servers', isDatagram(address) ? 'bun-datagram.mjs' : 'bun-socket.mjs');

export default bunArm(
  'bun-socket',
  "Bun's own servers (Bun.listen, Bun.serve, Bun.udpSocket), callbacks instead of streams",
  (mode, address) => [server(address), mode, address],
);
