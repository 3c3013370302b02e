/**
 * The UDP server of the JavaScript arms: `node datagram.mjs MODULE MODE ADDRESS [API]`. One file for all of them.
 *
 * MODULE   what to import: `node:dgram`, `iouring-transport/dgram`
 * MODE     `echo` sends back what comes in; `sink` counts, and answers a datagram of one byte with the count; `source` sends without end to whom a
 *          datagram came from, of the size that it holds in decimal digits
 * ADDRESS  `udp:host:port` (port 0 for any)
 * API      `each` (the default): send() and 'message', as core has them; `batch`: sendMany() and 'messages'; `segments`: the same with GSO and GRO
 *
 * Prints its address when ready. Ends when standard input closes.
 */
import process from 'node:process';

const [name, mode, address, api = 'each'] = process.argv.slice(2);
const module = await import(name);
const dgram = module.default ?? module;

/** Datagrams that `source` keeps under way. */
const UNDER_WAY = 64;
/** Bytes of a UDP datagram at most, and parts that the kernel cuts it into at most. */
const LARGEST = 65_507;
const SEGMENTS = 64;

const [, host, port] = /^udp:(.*):(\d+)$/.exec(address) ?? [];
const socket = dgram.createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', gro: api === 'segments' });

const back = ({ data, rinfo }) => ({ data, port: rinfo.port, address: rinfo.address });

/** Datagrams that follow each other, of one size and to one peer, as one that the kernel cuts up. */
function together(batch) {
  const messages = [];
  for (let from = 0, to; from < batch.length; from = to) {
    const { data, rinfo } = batch[from];
    const most = Math.min(SEGMENTS, Math.floor(LARGEST / Math.max(data.length, 1)));
    to = from + 1;
    while (to < batch.length && to - from < most && isAlike(batch[from], batch[to])) to++;
    if (to === from + 1) messages.push(back(batch[from]));
    else {
      const whole = Buffer.concat(batch.slice(from, to).map((one) => one.data));
      messages.push({ data: whole, segmentSize: data.length, port: rinfo.port, address: rinfo.address });
    }
  }
  return messages;
}

const isAlike = (one, other) =>
  one.data.length === other.data.length && one.rinfo.port === other.rinfo.port && one.rinfo.address === other.rinfo.address;

let count = 0;
let isSending = false;

function sink(data, rinfo) {
  if (data.length > 1) count++;
  else socket.send(String(count), rinfo.port, rinfo.address);
}

function source(data, { port: to, address: peer }) {
  if (isSending) return;
  isSending = true;
  const size = Number(data.toString());
  const bytes = Buffer.alloc(size, 'x');
  if (api === 'each') {
    const next = () => socket.send(bytes, to, peer, next);
    for (let i = 0; i < UNDER_WAY; i++) next();
    return;
  }
  const parts = Math.min(UNDER_WAY, Math.floor(LARGEST / size));
  const batch =
    api === 'batch'
      ? Array.from({ length: UNDER_WAY }, () => ({ data: bytes, port: to, address: peer }))
      : [{ data: Buffer.alloc(size * parts, 'x'), segmentSize: size, port: to, address: peer }];
  const flood = async () => {
    for (;;) await socket.sendMany(batch);
  };
  void flood();
}

const serve = { echo: (data, rinfo) => socket.send(data, rinfo.port, rinfo.address), sink, source }[mode];
const serveAll = {
  echo: (batch) => void socket.sendMany(api === 'batch' ? batch.map(back) : together(batch)),
  sink: (batch) => batch.forEach(({ data, rinfo }) => sink(data, rinfo)),
  source: ([{ data, rinfo }]) => source(data, rinfo),
}[mode];

if (api === 'each') socket.on('message', serve);
else socket.on('messages', serveAll);

socket.bind({ port: Number(port), address: host }, () => {
  const got = socket.address();
  process.stdout.write(`udp:${got.address}:${got.port}\n`);
});

process.stdin.on('data', () => {}).on('end', () => process.exit(0));
