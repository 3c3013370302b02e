/**
 * The server of the JavaScript arms: `node stream.mjs MODULE MODE ADDRESS`. One file for all of them; only the module differs.
 *
 * MODULE   what to import: `node:net`, `iouring-transport/net`, and the same of tls
 * MODE     `echo` sends back what comes in, `pipe` does so by `socket.pipe(socket)`, `sink` reads and forgets, `source` sends without end; `proxy` pipes to and from a connection to
 *          the address that BENCH_UPSTREAM names; `close` is `echo` whose connections are all destroyed when a line `close` comes on standard input, which is answered with what that
 *          took; `secure-` before says over TLS
 * ADDRESS  `host:port` (port 0 for any) or `unix:/path`
 *
 * Prints its address when ready. Ends when standard input closes. A line `gc` on standard input collects garbage where
 * Node runs with `--expose-gc`, and is answered by `gc`.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';

const [name, wanted, address] = process.argv.slice(2);
const isSecure = wanted.startsWith('secure-');
const mode = wanted.replace('secure-', '');
const module = await import(name);
const net = module.default ?? module;

/** Of mode `close`. */
const sockets = new Set();

const serve = {
  echo: (socket) => socket.on('data', (bytes) => socket.write(bytes)),
  pipe: (socket) => socket.pipe(socket),
  proxy(socket) {
    const [, upstreamHost, upstreamPort] = /^(.*):(\d+)$/.exec(process.env.BENCH_UPSTREAM);
    const upstream = net.connect({ host: upstreamHost, port: Number(upstreamPort), noDelay: true });
    upstream.on('error', () => {}).on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
  },
  close(socket) {
    sockets.add(socket);
    socket.on('data', (bytes) => socket.write(bytes)).on('close', () => sockets.delete(socket));
  },
  sink: (socket) => socket.on('data', () => {}),
  source(socket) {
    const bytes = Buffer.alloc(65_536, 'x');
    const send = () => {
      while (!socket.destroyed && socket.write(bytes));
    };
    socket.on('drain', send);
    socket.resume();
    send();
  },
}[mode];

const certificate = () => {
  const folder = process.env.BENCH_CERTIFICATE;
  return { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/cert.pem`) };
};

const server = net.createServer({ noDelay: true, ...(isSecure && certificate()) }, (socket) => {
  // A load generator that is done may reset its connections.
  socket.on('error', () => {});
  serve(socket);
});

const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
server.listen(path === undefined ? { host, port: Number(port), backlog: 4096 } : { path, backlog: 4096 }, () => {
  const got = server.address();
  process.stdout.write(`${path === undefined ? `${got.address}:${got.port}` : `unix:${path}`}\n`);
});

process.stdin
  .setEncoding('utf8')
  .on('data', (line) => {
    if (line.trim() === 'close') void destroyAll().then((took) => process.stdout.write(`${JSON.stringify(took)}\n`));
    if (line.trim() !== 'gc') return;
    globalThis.gc?.();
    process.stdout.write('gc\n');
  })
  .on('end', () => process.exit(0));

/** Destroys all connections at once: CPU time in microseconds, and milliseconds until the last 'close', and by which a timer was late. */
async function destroyAll() {
  const sleep = (ms) => new Promise((resolve) => void setTimeout(resolve, ms));
  const connections = sockets.size;
  const before = process.cpuUsage();
  const start = performance.now();
  let longest = 0;
  for (const socket of sockets) socket.destroy();
  for (let last = start; sockets.size > 0;) {
    await sleep(1);
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  }
  const milliseconds = performance.now() - start;
  // What was put off until after the event is a part of it.
  await sleep(50);
  const { user, system } = process.cpuUsage(before);
  return { connections, cpuMicroseconds: user + system, milliseconds, blockedMilliseconds: longest };
}
