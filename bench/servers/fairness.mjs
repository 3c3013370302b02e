/**
 * The server of the scenario `fairness`: `node fairness.mjs MODULE MODE ADDRESS`. One event loop does everything: it echoes on one port, reads
 * and forgets on another, and has a timer run every five milliseconds.
 *
 * MODULE   what to import: `node:net` or `iouring-transport/net`
 * MODE     `fairness`
 * ADDRESS  `host:port` (port 0 for any) of both
 *
 * Prints the address of the echo, a comma, and the other when ready. Ends when standard input closes. A line `measure SECONDS` is answered, after so many
 * seconds, with how late the timer and `setImmediate` were meanwhile.
 */
import process from 'node:process';

const [name, , address] = process.argv.slice(2);
const module = await import(name);
const net = module.default ?? module;

const INTERVAL = 5;

/** Milliseconds by which timers were late; null while nothing is measured. */
let timers = null;
/** Milliseconds between a `setImmediate()` in a 'data' listener and its call; null while nothing is measured. */
let immediates = null;
/** Such calls that are still to come. Node promises that no timer runs before them. */
let waiting = 0;
let overtaken = 0;

function tick(due) {
  timers?.push(performance.now() - due);
  if (waiting > 0) overtaken++;
  setTimeout(tick, INTERVAL, performance.now() + INTERVAL);
}

function immediate(asked) {
  waiting--;
  immediates?.push(performance.now() - asked);
}

function echo(socket) {
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    waiting++;
    setImmediate(immediate, performance.now());
    socket.write(bytes);
  });
}

function sink(socket) {
  socket.on('error', () => {});
  socket.on('data', () => {});
}

/** Median and 99th percentile. */
function quantiles(values) {
  const sorted = Float64Array.from(values).sort();
  return { p50: sorted[Math.floor(sorted.length / 2)], p99: sorted[Math.floor(sorted.length * 0.99)], count: sorted.length };
}

function measure(seconds) {
  [timers, immediates, overtaken] = [[], [], 0];
  setTimeout(() => {
    const found = { timerMilliseconds: quantiles(timers), immediateMilliseconds: quantiles(immediates), overtaken };
    process.stdout.write(`${JSON.stringify(found)}\n`);
    [timers, immediates] = [null, null];
  }, seconds * 1000);
}

async function listen(serve) {
  const [, host, port] = /^(.*):(\d+)$/.exec(address);
  const server = net.createServer({ noDelay: true }, serve);
  await new Promise((resolve) => void server.listen({ host, port: Number(port), backlog: 4096 }, resolve));
  const got = server.address();
  return `${got.address}:${got.port}`;
}

tick(performance.now());
process.stdout.write(`${await listen(echo)},${await listen(sink)}\n`);
process.stdin
  .setEncoding('utf8')
  .on('data', (line) => {
    const [, seconds] = /^measure ([\d.]+)$/m.exec(line) ?? [];
    if (seconds !== undefined) measure(Number(seconds));
  })
  .on('end', () => process.exit(0));
