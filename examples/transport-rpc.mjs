/**
 * Calls over a pool of connections: each has a number and a time-out, many are under way at once, and a server that goes away is found again.
 *
 *     node examples/transport-rpc.mjs
 */
import { ClientPool, worker } from 'iouring-transport/transport';

/** Frames: length and number, four bytes each, then the text. */
function frame(number, text) {
  const body = Buffer.from(text);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length, 0);
  head.writeUInt32BE(number, 4);
  return Buffer.concat([head, body]);
}

/** Calls `each` with every frame that a connection receives. Settled with its end. */
function frames(connection, each) {
  let rest = Buffer.alloc(0);
  return connection.stream((payload) => {
    rest = Buffer.concat([rest, payload.takeBytes()]);
    while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(0)) {
      const end = 8 + rest.readUInt32BE(0);
      each(rest.readUInt32BE(4), rest.toString('utf8', 8, end));
      rest = rest.subarray(end);
    }
  });
}

const server = await worker.servers.tcp({}, (connection) => {
  frames(connection, (number, text) => {
    // Some questions have no answer.
    if (text !== 'why?') connection.writeSingle(frame(number, text.toUpperCase()));
  });
});

/** Calls under way, by connection and number. */
const calls = new WeakMap();
let numbers = 0;

const pool = new ClientPool(
  async (signal) => {
    const connection = await worker.clients.tcp({ port: server.address.port, signal, connectTimeout: 1000 });
    const waiting = new Map();
    calls.set(connection, waiting);
    frames(connection, (number, text) => waiting.get(number)?.resolve(text));
    connection.closed.then((error) => {
      for (const { reject } of waiting.values()) reject(error ?? new Error('The connection was closed'));
    });
    return connection;
  },
  { size: 4, policy: 'least-pending' },
);

/** @param timeout in milliseconds */
function call(text, timeout) {
  return pool.use(async (connection) => {
    const waiting = calls.get(connection);
    const number = ++numbers;
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`No answer to "${text}" within ${timeout} ms`)), timeout);
        waiting.set(number, { resolve, reject });
        connection.writeSingle(frame(number, text));
      });
    } finally {
      clearTimeout(timer);
      waiting.delete(number);
    }
  });
}

await pool.ready();
const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => call(`question ${index}`, 5000)));
console.log(`${answers.length} answers, the last: ${answers.at(-1)}`);
console.log(await call('why?', 50).catch((error) => error.message));
await pool.close();
await server.close();
console.log('all closed');
