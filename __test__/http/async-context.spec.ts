// In which context the events of a server come: each connection is played with core's http and with ours, and AsyncLocalStorage asked in every listener.
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { once } from 'node:events';
import core from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import test from 'ava';
import ours from 'iouring-transport/http';

type Http = typeof core;

const HEAD = 'Host: here\r\n';
const GET = `GET / HTTP/1.1\r\n${HEAD}\r\n`;

/** What a client sends, one part when the one before has been answered; `end` comes with the end of the stream. */
const CONNECTIONS: Record<string, readonly (string | { readonly end: string })[]> = {
  'a request': [GET],
  garbage: ['GARBAGE\r\n\r\n'],
  'garbage behind a request': [GET, 'GARBAGE\r\n\r\n'],
  'garbage in a body': [`POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
  'headers that are too long': [`GET / HTTP/1.1\r\n${HEAD}X: ${'y'.repeat(20_000)}\r\n\r\n`],
  'half a request': [{ end: 'GET / HT' }],
  'an upgrade': [`GET / HTTP/1.1\r\n${HEAD}Connection: Upgrade\r\nUpgrade: x\r\n\r\nhead`, 'more'],
  'a tunnel': [`CONNECT there:1 HTTP/1.1\r\n${HEAD}\r\n`, 'more'],
};

/** How a server listens: with all listeners, or with none for what is wrong; and reading its sockets as well. */
const LISTENERS = ['all', 'none for errors', 'data'] as const;

async function play(http: Http, how: (typeof LISTENERS)[number], parts: (typeof CONNECTIONS)[string]): Promise<Set<string>> {
  const context = new AsyncLocalStorage<string>();
  const log = new Set<string>();
  const say = (what: string): void => void log.add(`${what}: ${context.getStore()}`);
  const server = context.run('create', () => http.createServer());
  const served = new Promise<void>((resolve) => {
    server.on('connection', (socket: Socket) => {
      for (const event of ['error', 'close']) socket.on(event, () => say(`socket ${event}`));
      socket.on('close', resolve);
    });
  });
  server.on('connection', (socket: Socket) => {
    say('connection');
    if (how === 'data') socket.on('data', () => say('data'));
  });
  server.on('request', (request, response) => {
    say('request');
    request.on('data', () => say('body')).on('end', () => say('end of request'));
    request.on('error', () => say('error of request'));
    response.on('finish', () => say('finish'));
    response.end('ok');
  });
  for (const event of ['upgrade', 'connect'] as const) {
    server.on(event, (_request: unknown, socket: Socket) => {
      say(event);
      socket.on('data', () => {
        say(`${event}: data`);
        socket.write('answer');
      });
      socket.on('end', () => socket.end());
      socket.write('HTTP/1.1 200 Yes\r\n\r\n');
    });
  }
  if (how !== 'none for errors') {
    server.on('clientError', (_error: Error, socket: Socket) => {
      say('clientError');
      socket.end('HTTP/1.1 400 No\r\nConnection: close\r\n\r\n');
    });
  }
  context.run('listen', () => server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => {});
  const gone = once(client, 'close');
  for (const part of parts) {
    const answer = Promise.race([once(client, 'data'), gone]);
    if (typeof part === 'string') client.write(part);
    else client.end(part.end);
    await answer;
  }
  client.end();
  await Promise.all([gone, served]);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  return log;
}

for (const how of LISTENERS) {
  for (const [name, parts] of Object.entries(CONNECTIONS)) {
    test(`${name}, listeners: ${how}`, async (t) => {
      const theirs = await play(core, how, parts);
      t.true(theirs.size > 1);
      t.deepEqual(await play(ours as Http, how, parts), theirs);
    });
  }
}

/** How many resources of core's kinds the requests of a connection are. */
async function count(http: Http): Promise<Record<string, number>> {
  const kinds: Record<string, number> = { HTTPINCOMINGMESSAGE: 0, HTTPCLIENTREQUEST: 0 };
  const hook = createHook({
    init(_id, type) {
      if (type in kinds) kinds[type]++;
    },
  });
  const server = http.createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new http.Agent({ keepAlive: true });
  const { port } = server.address() as AddressInfo;
  hook.enable();
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => http.get({ port, agent }, (response) => response.resume().on('close', resolve)));
  }
  hook.disable();
  agent.destroy();
  server.close();
  return kinds;
}

test.serial('tools that count requests by the names of core’s resources find as many', async (t) => {
  t.deepEqual(await count(ours), await count(core));
});
