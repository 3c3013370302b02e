// What connections that do nothing cost the heap of their server: `node --expose-gc idle.mjs MODULE`. Prints, in bytes for each, what was allocated and what is kept.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';

const COUNT = 500;
const CLIENT = `
  const net = require('node:net');
  let left = ${COUNT};
  const open = () => net.connect(Number(process.argv[1]), '127.0.0.1').on('connect', () => (--left > 0 ? open() : console.log('open'))).on('error', () => {});
  open();
  process.stdin.resume().on('end', () => process.exit());
`;

const { default: net } = await import(process.argv[2]);
const sockets = new Set();
const server = net.createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => {}).on('data', () => {});
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

/** Twice, with a turn of the event loop between: some garbage is that only then. */
async function collect() {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 50));
  globalThis.gc();
}

const used = () => process.memoryUsage().heapUsed;

async function hold(whenOpen) {
  const clients = spawn(process.execPath, ['--eval', CLIENT, String(server.address().port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(clients.stdout, 'data');
  // The last has been accepted as well.
  while (sockets.size < COUNT) await new Promise((resolve) => setTimeout(resolve, 1));
  await whenOpen();
  const closed = Promise.all([...sockets].map((socket) => once(socket, 'close')));
  sockets.clear();
  clients.stdin.end();
  await Promise.all([closed, once(clients, 'close')]);
}

// The code is compiled, lists have grown.
await hold(() => {});
await collect();
const before = used();
await hold(async () => {
  const open = used();
  await collect();
  console.log(JSON.stringify({ allocated: (open - before) / COUNT, kept: (used() - before) / COUNT }));
});
process.exit();
