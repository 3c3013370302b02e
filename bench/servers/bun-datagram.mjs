/**
 * The UDP server of the arm `bun-socket`: `bun bun-datagram.mjs MODE ADDRESS`, as datagram.mjs without the module, over Bun.udpSocket.
 */
/* global Bun */
const [mode, address] = process.argv.slice(2);
const [, hostname, port] = /^udp:(.*):(\d+)$/.exec(address) ?? [];

/** Datagrams handed over at once. */
const BATCH = 64;

let count = 0;
let flood;

const serve = {
  echo: (socket, data, from, peer) => void socket.send(data, from, peer),
  sink(socket, data, from, peer) {
    if (data.length > 1) count++;
    else socket.send(String(count), from, peer);
  },
  source(socket, data, to, peer) {
    if (flood !== undefined) return;
    const bytes = Buffer.alloc(Number(data.toString()), 'x');
    flood = Array.from({ length: BATCH }, () => [bytes, to, peer]).flat();
    const send = () => {
      socket.sendMany(flood);
      setImmediate(send);
    };
    send();
  },
}[mode];

const socket = await Bun.udpSocket({ hostname, port: Number(port), socket: { data: serve, error() {} } });

process.stdout.write(`udp:${socket.hostname}:${socket.port}\n`);
process.stdin.on('data', () => {}).on('end', () => process.exit(0));
