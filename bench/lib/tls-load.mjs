/**
 * The load generator of the scenarios with plain TLS: `node tls-load.mjs KIND ADDRESS SECONDS`. Ends with one line of JSON.
 *
 * KIND  `upload`, `download`: one connection, bytes without end; `connect`, `resume`: ten connections at a time with one message each
 */
import process from 'node:process';
import tls from 'node:tls';

const [kind, address, seconds] = process.argv.slice(2);
const [, host, port] = /^(.*):(\d+)$/.exec(address);
const AT_A_TIME = 10;

let requests = 0;
let bytes = 0;
let failed = 0;
let over = false;
let session;

function connect(options) {
  return tls.connect({ host, port: Number(port), rejectUnauthorized: false, ...options }).on('error', () => {
    if (!over) failed++;
  });
}

const kinds = {
  upload() {
    const piece = Buffer.alloc(65_536, 'x');
    const socket = connect();
    const send = () => {
      while (!over && socket.write(piece));
    };
    socket.on('secureConnect', send).on('drain', send).resume();
    return () => socket.bytesWritten;
  },
  download() {
    const socket = connect().on('data', (chunk) => (bytes += chunk.length));
    return () => (socket.destroy(), bytes);
  },
  connect: () => repeat(false),
  resume: () => repeat(true),
};

function repeat(resumes) {
  const next = () => {
    if (over) return;
    const socket = connect(resumes && session !== undefined ? { session } : {});
    socket.on('session', (ticket) => (session = ticket));
    socket.on('secureConnect', () => socket.write('hello'));
    socket.on('data', (answer) => {
      requests++;
      bytes += answer.length;
      socket.end();
    });
    socket.on('close', next);
  };
  for (let i = 0; i < AT_A_TIME; i++) next();
  return () => bytes;
}

const before = process.hrtime.bigint();
const cpuBefore = process.cpuUsage();
const count = kinds[kind]();
setTimeout(
  () => {
    over = true;
    bytes = count();
    const took = Number(process.hrtime.bigint() - before) / 1e9;
    const { user, system } = process.cpuUsage(cpuBefore);
    // Streams have no requests: their unit is the MiB.
    const run = {
      requests: requests || bytes / 2 ** 20,
      bytes,
      seconds: took,
      loadCpuSeconds: (user + system) / 1e6,
      errors: { failed },
    };
    process.stdout.write(`${JSON.stringify(run)}\n`, () => process.exit(0));
  },
  Number(seconds) * 1000,
);
