/** The server: `server.mjs MODULE [FILE]`. Stores a file and gives it back, and echoes. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import process from 'node:process';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { cpuMicros, importNet, serve } from './role.mjs';

const [, , name, file] = process.argv;
const net = await importNet(name);

/** Listens on a free port and resolves to it. */
async function listen(onConnection, options = {}) {
  const server = net.createServer({ noDelay: true, ...options }, onConnection);
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 });
  await once(server, 'listening');
  return server.address().port;
}

const quiet = (socket) => socket.on('error', () => socket.destroy());

/** Stores what comes in and answers with its SHA-256. */
async function store(socket) {
  quiet(socket);
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(bytes, _encoding, done) {
      hash.update(bytes);
      done(undefined, bytes);
    },
  });
  await pipeline(socket, hashing, createWriteStream(file), { end: true }).catch(() => socket.destroy());
  socket.end(hash.digest('hex'));
}

/** Sends the stored file, followed by its SHA-256. */
async function fetch(socket) {
  quiet(socket);
  const hash = createHash('sha256');
  const from = createReadStream(file, { highWaterMark: 1024 * 1024 });
  from.on('data', (bytes) => hash.update(bytes));
  from.on('end', () => socket.end(hash.digest()));
  from.pipe(socket, { end: false });
}

function echo(socket) {
  quiet(socket);
  socket.on('data', (bytes) => socket.write(bytes));
}

serve(
  {
    store: await listen(store, { allowHalfOpen: true }),
    fetch: await listen(fetch),
    echo: await listen(echo),
  },
  { cpu: () => ({ micros: cpuMicros() }) },
);
