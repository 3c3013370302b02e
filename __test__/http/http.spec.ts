// http over our sockets: what a user of core's module expects of servers, agents and the module itself.
import { once } from 'node:events';
import core from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import test from 'ava';
import http from 'iouring-transport/http';
import https from 'iouring-transport/https';
import http2 from 'iouring-transport/http2';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

function get(options: http.RequestOptions | string, agent?: http.Agent) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const done = (response: http.IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => (body += part));
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    };
    const request = typeof options === 'string' ? http.get(options, { agent }, done) : http.get({ agent, ...options }, done);
    request.on('error', reject);
  });
}

for (const [name, ours] of Object.entries({ http, https, tls, http2, net })) {
  test(`${name} has everything that core's module has`, async (t) => {
    const { default: theirs } = (await import(`node:${name}`)) as { default: object };
    const missing = Object.keys(theirs).filter((key) => !(key in ours));
    t.deepEqual(missing, []);
  });
}

test('every way to listen', async (t) => {
  const socketPath = path.join(os.tmpdir(), `iouring-http-${process.pid}.sock`);
  for (const args of [[], [0], [0, '127.0.0.1'], [0, '127.0.0.1', 10], [{ port: 0, host: '127.0.0.1' }], [socketPath]]) {
    const server = http.createServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => Reflect.apply(server.listen, server, [...args, resolve]));
    t.true(server.listening);
    const { body } = await get(
      typeof args[0] === 'string' ? { socketPath, agent: false } : { port: portOf(server), agent: false },
    );
    t.is(body, 'hello');
    await new Promise((resolve) => server.close(resolve));
    t.false(server.listening);
    if (typeof args[0] !== 'string') t.is(server.address(), null); // Core goes on telling a path.
  }
});

test('errors of listen and close are those of core', async (t) => {
  const server = http.createServer().listen(0);
  await once(server, 'listening');
  const second = http.createServer().listen(portOf(server));
  const [error] = (await once(second, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'EADDRINUSE');
  await t.throwsAsync(util.promisify(second.close.bind(second))(), { code: 'ERR_SERVER_NOT_RUNNING' });
  let closes = 0;
  server.on('close', () => closes++);
  await util.promisify(server.close.bind(server))();
  t.is(closes, 1);
});

test('close() ends idle connections and waits for busy ones', async (t) => {
  let answer: (() => void) | undefined;
  const server = http.createServer((request, response) => {
    if (request.url === '/slow') answer = () => response.end('late');
    else response.end('hello');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new http.Agent({ keepAlive: true });
  await get({ port: portOf(server), host: '127.0.0.1' }, agent);
  const slow = get({ port: portOf(server), host: '127.0.0.1', path: '/slow' }, agent);
  while (answer === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  let closed = false;
  server.close(() => (closed = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.false(closed);
  answer();
  t.is((await slow).body, 'late');
  agent.destroy();
  if (!closed) await once(server, 'close');
  t.pass();
});

test('closeAllConnections() ends busy ones too', async (t) => {
  const server = http.createServer(() => {}).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pending = get({ port: portOf(server), host: '127.0.0.1', agent: false });
  await once(server, 'request');
  server.close();
  server.closeAllConnections();
  await t.throwsAsync(pending, { code: 'ECONNRESET' });
  t.pass();
});

test('timeouts: requests that do not come, connections that idle', async (t) => {
  const server = http.createServer({ headersTimeout: 100, requestTimeout: 100, connectionsCheckingInterval: 20 });
  server.on('request', (_request, response: http.ServerResponse) => response.end());
  server.keepAliveTimeout = 50;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect(portOf(server), '127.0.0.1').setEncoding('utf8');
  socket.write('GET / HTTP/1.1\r\n');
  t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 408/);
  const idle = net.connect(portOf(server), '127.0.0.1');
  idle.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  idle.resume();
  await once(idle, 'close');
  server.close();
  await once(server, 'close');
  t.pass();
});

test('an agent keeps connections, and agent: false does not', async (t) => {
  let connections = 0;
  const server = http.createServer((_request, response) => response.end('hello'));
  server.on('connection', (socket: unknown) => {
    connections++;
    t.true(socket instanceof net.Socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 5; i++) await get(`http://127.0.0.1:${portOf(server)}/`, agent);
  t.is(connections, 1);
  for (let i = 0; i < 2; i++) await get({ port: portOf(server), host: '127.0.0.1', agent: false });
  t.is(connections, 3);
  agent.destroy();
  server.close();
  await once(server, 'close');
});

test.serial('globalAgent can be exchanged', async (t) => {
  const server = http.createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const module = http as { globalAgent: http.Agent };
  const before = module.globalAgent;
  t.not(before, core.globalAgent);
  const agent = (module.globalAgent = new http.Agent({ keepAlive: true }));
  await get({ port: portOf(server), host: '127.0.0.1' });
  t.is(Object.keys(agent.freeSockets).length, 1);
  module.globalAgent = before;
  agent.destroy();
  server.close();
  await once(server, 'close');
});

test('classes: instanceof both ways, without new, extended', (t) => {
  const server = http.createServer();
  t.true(server instanceof http.Server && server instanceof core.Server && server instanceof net.Server);
  t.true(core.createServer() instanceof http.Server);
  t.true((http.Server as unknown as () => object)() instanceof http.Server);
  class Own extends http.Server {
    own = 1;
  }
  t.is(new Own().own, 1);
  t.true(new Own() instanceof Own && !(server instanceof Own));
  t.true(new http.Agent() instanceof core.Agent);
  const request = http.request({ port: 1, host: '127.0.0.1' }).on('error', () => {});
  t.true(request instanceof http.ClientRequest);
  request.destroy();
});
