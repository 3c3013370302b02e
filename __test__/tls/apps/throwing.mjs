// Connections over sockets of ours, which are given to core, and whose listeners all throw, at once or in a tick, in a process that lives on. usage: throwing.mjs <tls|https> <at once|tick>, with KEY and CERT
import { AsyncLocalStorage } from 'node:async_hooks';
import process from 'node:process';
import https from 'iouring-transport/https';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';

const [, , kind, when] = process.argv;
const { KEY: key, CERT: cert } = process.env;
const options = { host: '127.0.0.1', rejectUnauthorized: false };
let thrown = 0;
let received = 0;

process.on('uncaughtException', (error) => {
  if (error.message !== 'planned') throw error;
  thrown++;
});

function throwPlanned() {
  if (when === 'tick') {
    process.nextTick(() => {
      throw new Error('planned');
    });
  } else {
    throw new Error('planned');
  }
}

const connect = (port) => tls.connect({ ...options, socket: net.connect(port, options.host) });

function exchange(port) {
  return new Promise((resolve) => {
    const client = connect(port);
    let pieces = 0;
    client.on('secureConnect', () => {
      client.write('x');
      throwPlanned();
    });
    client.on('data', (bytes) => {
      received += bytes.length;
      if (++pieces < 5) client.write('x');
      else resolve(client.destroy());
      throwPlanned();
    });
  });
}

const agent = new https.Agent({ keepAlive: true, maxSockets: 2 });
agent.createConnection = ({ port }) => connect(port);

function ask(port) {
  return new Promise((resolve) => {
    const request = https.request({ ...options, port, agent, method: 'POST' }, (response) => {
      response.on('data', (bytes) => (received += bytes.length)).on('end', resolve);
    });
    request.end('question');
  });
}

const servers = {
  tls: () =>
    tls.createServer({ key, cert }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        socket.write(bytes);
        throwPlanned();
      });
      throwPlanned();
    }),
  https: () =>
    https.createServer({ key, cert }, (request, response) => {
      request.on('data', throwPlanned);
      response.end('x');
      throwPlanned();
    }),
};

// Whoever looks at asynchronous contexts makes Node check that they are in order.
new AsyncLocalStorage().run('store', () => {
  const server = servers[kind]();
  const below = net.createServer((socket) => server.emit('connection', socket));
  below.listen(0, '127.0.0.1', async () => {
    const { port } = below.address();
    await Promise.all(Array.from({ length: 5 }, () => (kind === 'tls' ? exchange(port) : ask(port))));
    process.stdout.write(JSON.stringify({ received, thrown }), () => process.exit());
  });
});
