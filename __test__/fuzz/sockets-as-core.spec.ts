// Random calls of sockets and servers, of core's and ours alike: the same answers, the same errors, the same events, the same bytes.
import coreDgram from 'node:dgram';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import coreNet from 'node:net';
import process from 'node:process';
import { isDeepStrictEqual } from 'node:util';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { directory, nothingLeft, onRing } from '../fs/_helpers.ts';
import { type Call, callsOf, describe, hold, outcomeOf, same } from './_calls.ts';
import { anything, encodings, made, mostly, numbers, options, plain, texts, views } from './_values.ts';

const ring = needs('io_uring', onRing);

const callback = made('a callback', () => () => {});
/** Texts are names of hosts in some places. */
const then = mostly(callback).filter(({ make }) => typeof make() !== 'string');
const flag = mostly(plain(true, false));
const number = mostly(numbers);
/** What is no name that somebody outside would be asked for. */
/** Paths with zero bytes, and those that are too long, are cut off before Node 22. */
const socketPath = mostly(plain('socket', undefined)).filter(({ name }) => !/zero|xxx/.test(name));
const host = mostly(plain('127.0.0.1', '::1', undefined)).filter(({ make }) => {
  const value = make();
  return typeof value !== 'string' || /^(?:|127\.0\.0\.1|::1)$/.test(value);
});
/** What cannot become a number is found out later by core, where nobody can catch it. */
const port = mostly(plain(0, undefined), numbers, plain('0', '5')).filter(
  ({ name }) => !/zero|xxx|proto__: null|throws|revoked|symbol/.test(name),
);

/** Calls a method, and tells what came of it; ports are whatever is free. */
function make(target: object, { method, args }: Call): Promise<unknown> {
  return outcomeOf(() => withoutPort((target as Record<string, Function>)[method](...args.map((argument) => argument.make()))));
}

function withoutPort(value: unknown): unknown {
  const isAddress =
    typeof value === 'object' && value !== null && typeof (value as { port?: unknown }).port === 'number' && 'address' in value;
  return isAddress ? { ...value, port: 'a port' } : value;
}

/** Notes the events of an emitter, with the codes of errors. */
function note(emitter: NodeJS.EventEmitter, names: readonly string[]): unknown[] {
  const events: unknown[] = [];
  for (const name of names)
    emitter.on(name, (value?: unknown) => events.push(name === 'error' || name === 'close' ? [name, describe(value)] : name));
  return events;
}

/** Paths are names in a directory of the test's own. */
function within(t: ExecutionContext): void {
  const before = process.cwd();
  process.chdir(directory(t));
  t.teardown(() => process.chdir(before));
}

const isClosed = (events: readonly unknown[]) => events.some((event) => Array.isArray(event) && event[0] === 'close');

/** Some arguments are not looked at before a name has been looked up. */
function noteUncaught(events: unknown[]): void {
  process.setUncaughtExceptionCaptureCallback((error) => events.push(['uncaught', describe(error)]));
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** Waits for an event that may have been already, or says that it does not come. */
async function eventually(holds: () => boolean): Promise<string> {
  for (let i = 0; i < 2000; i++) {
    if (holds()) return 'in time';
    await (i < 50 ? turns(1) : new Promise((resolve) => setTimeout(resolve, 1)));
  }
  return 'never';
}

/** Longer writes are over a little later than core's: see "When a write is over" in docs/architecture.md. */
const chunk = mostly(views, texts).filter(({ name }) => name !== 'buffer(100000)');

const SOCKET = {
  write: [chunk, mostly(encodings), then],
  end: [fc.oneof(chunk, mostly(plain(undefined))), mostly(encodings), then],
  setTimeout: [mostly(plain(0, 1, 1000), numbers), then],
  setNoDelay: [flag],
  setKeepAlive: [flag, number],
  setEncoding: [mostly(encodings)],
  setDefaultEncoding: [mostly(encodings)],
  read: [number],
  pause: [],
  resume: [],
  ref: [],
  unref: [],
  cork: [],
  uncork: [],
  address: [],
  destroySoon: [],
  destroy: [mostly(plain(undefined))],
};

ring('connected sockets', async (t) => {
  await hold(
    t,
    fc.asyncProperty(fc.array(callsOf(SOCKET), { minLength: 1, maxLength: 6 }), async (calls) => {
      const outcomes = [];
      for (const side of [coreNet, net]) {
        const received: Buffer[] = [];
        let ended = false;
        const server = side.createServer((peer) => {
          peer.on('data', (bytes) => received.push(bytes));
          peer.on('error', () => {}).on('close', () => (ended = true));
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const client = side.connect((server.address() as coreNet.AddressInfo).port, '127.0.0.1');
        const events = note(client, ['error', 'end', 'finish', 'drain', 'close']);
        await once(client, 'connect');
        const found = [];
        for (const call of calls) found.push(await make(client, call));
        client.uncork();
        client.uncork();
        client.resume();
        client.end();
        const over = await eventually(() => isClosed(events) && ended);
        if (over === 'never') client.destroy();
        server.close();
        await eventually(() => ended);
        const { bytesWritten, bytesRead, timeout, destroyed } = client;
        outcomes.push([
          ...found,
          events,
          over,
          describe(Buffer.concat(received)),
          { bytesWritten, bytesRead, timeout: describe(timeout), destroyed },
        ]);
      }
      same([...calls.map(fc.stringify), 'events', 'its end', 'bytes', 'state'], outcomes[0], outcomes[1]);
    }),
  );
  nothingLeft(t);
});

const connectOptions = options({
  port,
  host,
  path: socketPath,
  localAddress: host,
  localPort: mostly(plain(0, undefined)),
  family: mostly(plain(0, 4, 6)),
  lookup: mostly(plain(undefined)),
  hints: mostly(plain(0)),
  noDelay: flag,
  keepAlive: flag,
  keepAliveInitialDelay: number,
  timeout: mostly(plain(0, 1000)),
  highWaterMark: mostly(plain(0, 1000)),
  autoSelectFamily: flag,
  autoSelectFamilyAttemptTimeout: mostly(plain(10, 1000)),
  readable: flag,
  writable: flag,
  allowHalfOpen: flag,
  onread: options({ buffer: mostly(views), callback: then }),
});
const CONNECT = {
  connect: [fc.oneof(connectOptions, port), fc.oneof(host, then), then],
  createConnection: [fc.oneof(connectOptions, port), fc.oneof(host, then), then],
};

ring('connecting', async (t) => {
  within(t);
  await hold(
    t,
    fc.asyncProperty(callsOf(CONNECT), async (call) => {
      const outcomes = [];
      for (const side of [coreNet, net]) {
        let events: unknown[] = [];
        const found = await outcomeOf(async () => {
          const args = call.args.map((argument) => argument.make());
          const socket = (side as any)[call.method](...args) as coreNet.Socket;
          events = note(socket, ['error', 'connect', 'end', 'finish', 'close']);
          const over = await eventually(() => isClosed(events) || !socket.connecting);
          socket.destroy();
          return [over, await eventually(() => isClosed(events))];
        });
        outcomes.push([found, events]);
      }
      same([fc.stringify(call), 'events'], outcomes[0], outcomes[1]);
    }),
  );
  nothingLeft(t);
});

const serverOptions = options({
  allowHalfOpen: flag,
  pauseOnConnect: flag,
  noDelay: flag,
  keepAlive: flag,
  keepAliveInitialDelay: number,
  highWaterMark: mostly(plain(0, 1000)),
});
const listenOptions = options({
  port,
  host,
  path: socketPath,
  backlog: number,
  exclusive: flag,
  readableAll: flag,
  writableAll: flag,
  ipv6Only: flag,
  signal: mostly(plain(undefined)),
  fd: mostly(plain(undefined)).filter(({ make: value }) => !Number.isInteger(value())),
});
const LISTEN = { listen: [fc.oneof(listenOptions, port, socketPath), fc.oneof(host, number), fc.oneof(number, then), then] };

ring('listening', async (t) => {
  within(t);
  await hold(
    t,
    fc.asyncProperty(serverOptions, callsOf(LISTEN), async (settings, call) => {
      const outcomes = [];
      for (const side of [coreNet, net]) {
        rmSync('socket', { force: true });
        let events: unknown[] = [];
        const found = await outcomeOf(async () => {
          const server = side.createServer(settings.make() as object);
          events = note(server, ['error', 'listening', 'close']);
          noteUncaught(events);
          const called = (await make(server, call)) as object;
          const over = 'error' in called || (await eventually(() => events.length > 0));
          const address = withoutPort(server.address());
          if (server.listening) server.close();
          await turns(3);
          process.setUncaughtExceptionCaptureCallback(null);
          return [called, over, describe(address)];
        });
        outcomes.push([found, events]);
      }
      same([`${fc.stringify(settings)} ${fc.stringify(call)}`, 'events'], outcomes[0], outcomes[1]);
    }),
  );
  nothingLeft(t);
});

/** Core lets a zero pass that is written out, before Node 24. */
const peerPort = port.filter(({ name }) => !/^"-?0"$/.test(name));

const DATAGRAM = {
  send: [
    mostly(views, texts, plain([])),
    fc.oneof(number, peerPort),
    fc.oneof(
      number.filter(({ make }) => typeof make() !== 'string'),
      host,
    ),
    fc.oneof(host, then),
    fc.oneof(host, then),
    then,
  ],
  bind: [fc.oneof(options({ port, address: host, exclusive: flag }), port), fc.oneof(host, then), then],
  connect: [peerPort, fc.oneof(host, then), then],
  disconnect: [],
  address: [],
  remoteAddress: [],
  setTTL: [number],
  setMulticastTTL: [number],
  setBroadcast: [anything],
  setMulticastLoopback: [anything],
  setRecvBufferSize: [mostly(plain(1000))],
  setSendBufferSize: [mostly(plain(1000))],
  ref: [],
  unref: [],
  close: [then],
};

ring('datagram sockets', async (t) => {
  const socketOptions = fc.oneof(
    options({
      type: mostly(plain('udp4')),
      reuseAddr: flag,
      ipv6Only: flag,
      recvBufferSize: mostly(plain(1000)),
      lookup: mostly(plain(undefined)),
      signal: mostly(plain(undefined)),
    }),
    mostly(plain('udp4')),
  );
  await hold(
    t,
    fc.asyncProperty(socketOptions, fc.array(callsOf(DATAGRAM), { maxLength: 5 }), async (settings, calls) => {
      const outcomes = [];
      for (const side of [coreDgram, dgram]) {
        let events: unknown[] = [];
        const found: unknown[] = [];
        const opened = await outcomeOf(async () => {
          const socket = side.createSocket(settings.make() as never);
          events = note(socket, ['error', 'listening', 'connect', 'close']);
          noteUncaught(events);
          for (const call of calls) {
            found.push(await make(socket, call));
            await turns(3);
          }
          await turns(5);
          try {
            socket.close();
          } catch {
            // Closed by a call.
          }
          await turns(3);
          process.setUncaughtExceptionCaptureCallback(null);
        });
        outcomes.push([...calls.map((_, index) => found[index]), opened, events]);
        // What core leaves to the language on a socket that is closed is better told.
        for (const [index, outcome] of outcomes[0].entries()) {
          if (isDeepStrictEqual(outcome, { error: { name: 'TypeError' } })) outcomes.at(-1)![index] = outcome;
        }
      }
      same([...calls.map(fc.stringify), fc.stringify(settings), 'events'], outcomes[0], outcomes[1]);
    }),
  );
  nothingLeft(t);
});
