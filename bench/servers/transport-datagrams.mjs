/**
 * The UDP server of the arm `transport`: `node transport-datagrams.mjs MODULE MODE ADDRESS`, as datagram.mjs. Payloads go back from where the kernel has put them.
 */
import process from 'node:process';

const [name, mode, address] = process.argv.slice(2);
const { worker } = await import(name);

/** Datagrams that `source` keeps under way. */
const UNDER_WAY = 64;

const [, host, port] = /^udp:(.*):(\d+)$/.exec(address) ?? [];
const server = await worker.servers.udp({ host, port: Number(port) });

let count = 0;
let isSending = false;

async function flood(datagram, size) {
  const batch = Array.from({ length: UNDER_WAY }, () => Buffer.alloc(size, 'x'));
  for (;;) await datagram.respondMany(batch).catch(() => {});
}

const serve = {
  echo(datagram) {
    const { payload } = datagram;
    datagram.respondSingle(payload);
    payload.release();
  },
  sink(datagram) {
    const { payload } = datagram;
    if (payload.length > 1) count++;
    else datagram.respondSingle(Buffer.from(String(count)));
    payload.release();
  },
  source(datagram) {
    const size = Number(datagram.payload.takeBytes().toString());
    if (isSending) return;
    isSending = true;
    void flood(datagram, size);
  },
}[mode];

server.stream(serve);
process.stdout.write(`udp:${server.address.address}:${server.address.port}\n`);

process.stdin.on('data', () => {}).on('end', () => process.exit(0));
