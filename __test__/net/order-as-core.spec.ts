// In which order events come, and ticks, promises and setImmediate() beside them: each scenario is played with core's sockets and with ours, within one
// process, where nothing is left to chance.
import { once } from 'node:events';
import core from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import ours from 'iouring-transport/net';
import { nothingLeft } from './_sockets.ts';

test.afterEach.always(nothingLeft);

type Net = typeof core;
type Log = (what: string) => void;
type Scenario = (net: Net, where: core.ListenOptions, log: Log, begin: (body: () => void) => void) => Promise<void>;

/** Logs an event, and when what is scheduled in it comes. */
function around(log: Log, what: string): void {
  log(what);
  process.nextTick(log, `${what}: tick`);
  void Promise.resolve().then(() => log(`${what}: promise`));
  setImmediate(log, `${what}: immediate`);
}

const ignore = (): void => {};

/** Waits for as many rounds of the event loop as everything within this process can need. */
async function rounds(count = 12): Promise<void> {
  for (let round = 0; round < count; round++) await sleep(1);
}

async function listen(net: Net, where: core.ListenOptions, onConnection: (socket: core.Socket) => void): Promise<core.Server> {
  const server = net.createServer((socket) => {
    socket.on('error', ignore);
    onConnection(socket);
  });
  server.listen(where);
  await once(server, 'listening');
  await rounds(2);
  return server;
}

const addressOf = (server: core.Server): core.NetConnectOpts => {
  const address = server.address();
  return typeof address === 'string' ? { path: address } : { port: (address as core.AddressInfo).port, host: '127.0.0.1' };
};

/** Plays with a client for a while, and closes everything. */
async function play(server: core.Server, begin: (body: () => void) => void, body: () => core.Socket[]): Promise<void> {
  const clients = await new Promise<core.Socket[]>((resolve) => {
    begin(() => resolve(body()));
  });
  await rounds();
  for (const client of clients) client.destroy();
  server.close();
  await rounds(4);
}

const SCENARIOS: Record<string, Scenario> = {
  async 'a connection'(net, where, log, begin) {
    const server = await listen(net, where, () => around(log, 'connection'));
    await play(server, begin, () => {
      const client = net.connect(addressOf(server), () => around(log, 'connect'));
      around(log, 'called');
      return [client];
    });
  },
  async 'a question and its answer'(net, where, log, begin) {
    const server = await listen(net, where, (socket) => {
      log('connection');
      socket.on('data', (bytes) => {
        around(log, `server: ${bytes.toString()}`);
        socket.write('answer');
      });
    });
    await play(server, begin, () => {
      const client = net.connect(addressOf(server), () => {
        around(log, 'connect');
        client.write('question', () => log('written'));
      });
      client.on('ready', () => log('ready')).on('data', (bytes) => around(log, `client: ${bytes.toString()}`));
      return [client];
    });
  },
  async 'a connection that is refused'(net, where, log, begin) {
    const server = await listen(net, where, ignore);
    const address = addressOf(server);
    server.close();
    await once(server, 'close');
    await play(net.createServer(), begin, () => {
      const client = net.connect(address);
      for (const event of ['error', 'close', 'connectionAttemptFailed']) client.on(event, () => around(log, event));
      around(log, 'called');
      return [client];
    });
  },
  async listening(net, where, log, begin) {
    const server = net.createServer();
    await play(server, begin, () => {
      server.listen(where, () => around(log, 'listening'));
      around(log, 'called');
      return [];
    });
  },
  async 'an address in use'(net, where, log, begin) {
    const server = await listen(net, where, ignore);
    const { port, path: name } = addressOf(server) as { port: number; path: string };
    await play(server, begin, () => {
      const other = net.createServer().on('error', () => around(log, 'error'));
      other.listen(name === undefined ? { port, host: '127.0.0.1' } : { path: name });
      around(log, 'called');
      return [];
    });
  },
  async drain(net, where, log, begin) {
    const server = await listen(net, where, (socket) => socket.resume());
    const client = net.connect(addressOf(server)).on('error', ignore);
    await rounds(4);
    await play(server, begin, () => {
      client.on('drain', () => around(log, 'drain'));
      client.write(Buffer.alloc(20_000), () => log('written'));
      log(`${client.writableLength} wait`);
      around(log, 'called');
      return [client];
    });
  },
  async 'a server that is closed by who has just connected'(net, where, log, begin) {
    const server = await listen(net, where, (socket) => {
      log('connection');
      socket.end('served');
    });
    await play(server, begin, () => {
      const client = net.connect(addressOf(server), () => {
        around(log, 'connect');
        server.close();
      });
      client.on('data', (bytes) => log(bytes.toString())).on('error', () => log('error'));
      return [client];
    });
  },
};

const BEGINNINGS: Record<string, (body: () => void) => void> = {
  'a timer': (body) => void setTimeout(body, 2),
  setImmediate: (body) => void setTimeout(() => setImmediate(body), 2),
  'a tick': (body) => void setTimeout(() => process.nextTick(body), 2),
  'a promise': (body) => void setTimeout(() => void Promise.resolve().then(body), 2),
};

/** How a server's side of a connection sees a client that writes ten bytes and is gone. */
const DEPARTURES: Record<string, (client: core.Socket) => void> = {
  'in the same tick': (client) => {
    client.write('0123456789');
    client.destroy();
  },
  'in the next tick': (client) => {
    client.write('0123456789');
    process.nextTick(() => client.destroy());
  },
  'by setImmediate': (client) => {
    client.write('0123456789');
    setImmediate(() => client.destroy());
  },
  'when written': (client) => void client.write('0123456789', () => client.destroy()),
  'after end()': (client) => {
    client.end('0123456789');
    client.destroy();
  },
};

const ANSWERS: Record<string, (socket: core.Socket) => void> = {
  'nobody answers': ignore,
  'the server answers': (socket) => void socket.write('answer'),
  'the server answers and ends': (socket) => void socket.end('answer'),
};

function departed(leave: (client: core.Socket) => void, answer: (socket: core.Socket) => void): Scenario {
  return async (net, where, log) => {
    const server = await listen(net, where, (socket) => {
      socket.on('data', (bytes) => {
        log(bytes.toString());
        answer(socket);
      });
      for (const event of ['end', 'finish']) socket.on(event, () => log(event));
      socket.on('error', (error: NodeJS.ErrnoException) => log(`${error.syscall ?? ''} ${error.code ?? ''}`));
      socket.on('close', (hadError: boolean) => log(`close ${hadError}`));
    });
    const client = net.connect(addressOf(server), () => leave(client)).on('error', ignore);
    await rounds();
    server.close();
    await rounds(4);
  };
}

let sequence = 0;

/** Where to listen: another path each time. */
const places: Record<string, () => core.ListenOptions> = {
  tcp: () => ({ port: 0, host: '127.0.0.1' }),
  unix: () => ({ path: path.join(tmpdir(), `iouring-order-${process.pid}-${sequence++}`) }),
};

async function alike(
  scenario: Scenario,
  place: () => core.ListenOptions,
  begin: (body: () => void) => void,
): Promise<[string[], string[]]> {
  const orders: [string[], string[]] = [[], []];
  for (const [which, net] of [core, ours as unknown as Net].entries()) {
    await scenario(net, place(), (what) => orders[which].push(what), begin);
  }
  return orders;
}

for (const [kind, place] of Object.entries(places)) {
  for (const [title, scenario] of Object.entries(SCENARIOS)) {
    for (const [beginning, begin] of Object.entries(BEGINNINGS)) {
      test.serial(`${kind}: ${title}, begun by ${beginning}`, async (t) => {
        const [expected, found] = await alike(scenario, place, begin);
        t.true(expected.length > 0);
        t.deepEqual(found, expected);
      });
    }
  }
  for (const [how, leave] of Object.entries(DEPARTURES)) {
    for (const [title, answer] of Object.entries(ANSWERS)) {
      test.serial(`${kind}: a client is gone ${how}, ${title}`, async (t) => {
        const [expected, found] = await alike(departed(leave, answer), place, () => {});
        t.true(expected.length > 0);
        t.deepEqual(found, expected);
      });
    }
  }
}
