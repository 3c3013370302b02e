// Whatever a public method is given, and in whichever state: what is wrong has a code. On whichever backend is chosen.
import { inspect } from 'node:util';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';

const transport = await import('iouring-transport/transport');
const { ClientPool, Transport, worker } = transport;

type Method = (...args: unknown[]) => unknown;
type Target = object;

const bytes = Buffer.from('x');
/** Of every type, and options that are wrong each in another way. */
const ODD: readonly unknown[] = [
  ...[
    null,
    undefined,
    0,
    1,
    -1,
    NaN,
    Infinity,
    2 ** 40,
    'x',
    '',
    true,
    1n,
    Symbol('odd'),
    () => {},
    {},
    [],
    [null],
    new Uint8Array(1),
  ],
  ...[
    { signal: 1 },
    { timeout: -1 },
    { gracefulTimeout: 'x' },
    { position: -1 },
    { length: 0 },
    { length: 'x' },
    { segmentSize: -1 },
  ],
  ...[{ onDone: 1 }, { onError: 1 }, { linked: 'x' }, { interface: 1 }, { source: 1 }, { transport: 1 }, { payloadLimit: 0 }],
  ...[
    { port: 'x' },
    { port: 1, host: 1 },
    { port: 1, signal: 1 },
    { path: 1 },
    { path: '' },
    { fd: -1 },
    { fd: 'x' },
    { mode: 'x' },
  ],
  ...[
    { port: 1, localPort: -1 },
    { readTimeout: -1 },
    { backlog: -1 },
    { reusePort: 1 },
    { port: 1, connectTimeout: 'x' },
    { size: 0 },
  ],
  ...[{ policy: 'x' }, { healthCheck: 1 }, { workers: -1 }, { restart: 1 }, { restart: { limit: -1 } }, { thread: 1 }],
];

const shown = (value: unknown): string => inspect(value);

/** Counts what is thrown, and what promises reject with; none of it may be without a code. */
class Attempts {
  readonly #t: ExecutionContext;
  readonly #outcomes: Promise<unknown>[] = [];

  constructor(t: ExecutionContext) {
    this.#t = t;
  }

  call(what: string, method: () => unknown): void {
    try {
      const result = method();
      if (result instanceof Promise) {
        this.#outcomes.push(result.then(discard, (error: unknown) => this.#judge(what, error)));
      } else discard(result);
    } catch (error) {
      this.#judge(what, error);
    }
  }

  /** Those that wait for something that does not come are settled by the end of what they were asked of. */
  async over(): Promise<void> {
    await Promise.all(this.#outcomes);
  }

  #judge(what: string, error: unknown): void {
    // A signal's reason and what a callback throws are the caller's; there are none here.
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string') this.#t.fail(`${what}: ${String(error)}`);
  }
}

/** Whatever has been made is ended. */
function discard(made: unknown): void {
  const { close, reset, release } = (made ?? {}) as Record<string, Method | undefined>;
  if (reset !== undefined) reset.call(made);
  else if (release !== undefined) release.call(made);
  else if (close !== undefined) void Promise.resolve(close.call(made, { gracefulTimeout: 0 })).catch(() => {});
}

/** Names of the methods of a class that are not for this package alone. */
function methodsOf(target: Target): PropertyKey[] {
  const names = new Set<PropertyKey>();
  for (let prototype = Object.getPrototypeOf(target) as object; Object.hasOwn(prototype, 'constructor');) {
    if (['Object', 'EventEmitter'].includes(prototype.constructor.name)) break;
    for (const name of Reflect.ownKeys(prototype)) {
      const { value } = Object.getOwnPropertyDescriptor(prototype, name)!;
      if (typeof value === 'function' && !INTERNAL.test(String(name))) names.add(name);
    }
    prototype = Object.getPrototypeOf(prototype) as object;
  }
  return [...names];
}

/** What is marked as internal: news of handles, and what senders ask of their sockets. `load` reads until the end of a file that others write to. */
const INTERNAL = /^(constructor|on[a-z]+|listen|refusal|givenUp|given|taken|load)$/;

const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-misuse-'));
const server = await worker.servers.tcp({}, (connection) => {
  connection.stream((payload) => {
    if (connection.active) connection.writeSingle(payload);
    payload.release();
  });
});
const { port } = server.address as { port: number };
const connect = () => worker.clients.tcp({ port });
const open = () => worker.files.open(path.join(folder, 'file'), { mode: 'readWrite', create: true });

async function receive(): Promise<Target> {
  const connection = await connect();
  connection.writeSingle(bytes);
  const payload = await connection.read();
  connection.reset();
  return payload!;
}

async function pool(): Promise<Target> {
  const made = new ClientPool(connect, { size: 1 });
  await made.ready();
  return made;
}

const CLASSES: Record<string, () => Promise<Target> | Target> = {
  Connection: connect,
  Payload: receive,
  StreamServer: () => worker.servers.tcp({}, () => {}),
  DatagramServer: () => worker.servers.udp({}),
  DatagramClient: () => worker.clients.udp({ port: 9 }),
  Multicast: async () => (await worker.servers.udp({})).multicast,
  TransportFile: open,
  ClientPool: pool,
};

/** Whether nothing more can be done with it. */
const isOver = (target: Target): boolean =>
  (target as { active?: boolean }).active === false || (target as { released?: boolean }).released === true;

export function declareMisuse(): void {
  test.after.always(async () => {
    await worker.shutdown({ gracefulTimeout: 0 });
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [name, make] of Object.entries(CLASSES)) {
    test.serial(`${name}: what is wrong with an argument has a code`, async (t) => {
      const attempts = new Attempts(t);
      let target = await make();
      const right = (method: PropertyKey): unknown =>
        /many/i.test(String(method)) ? [bytes] : method === 'stream' ? () => {} : bytes;
      for (const method of methodsOf(target)) {
        for (const odd of ODD) {
          for (const args of [[odd], [right(method), odd]]) {
            if (isOver(target)) target = await make();
            const one = target as Record<PropertyKey, Method>;
            attempts.call(`${String(method)}(${args.map(shown).join(', ')})`, () => one[method](...args));
          }
        }
      }
      discard(target);
      await attempts.over();
      t.pass();
    });

    test.serial(`${name}: after its end nothing fails without a code`, async (t) => {
      const attempts = new Attempts(t);
      const target = await make();
      discard(target);
      for (const args of [[], [bytes], [[bytes]], [() => {}]]) {
        for (const method of methodsOf(target)) {
          attempts.call(`${String(method)}(${args.map(shown).join(', ')})`, () =>
            (target as Record<PropertyKey, Method>)[method](...args),
          );
        }
      }
      await attempts.over();
      t.pass();
    });
  }

  test.serial('what is made of wrong options has a code', async (t) => {
    const attempts = new Attempts(t);
    const { servers, clients, files } = worker;
    const makers = { ...{ tcp: servers.tcp, unix: servers.unix, udp: servers.udp, unixDatagram: servers.unixDatagram } };
    for (const odd of ODD) {
      for (const [kind, make] of Object.entries(makers)) {
        attempts.call(`servers.${kind}(${shown(odd)})`, () => (make as Method)(odd, () => {}));
        attempts.call(`servers.${kind}({}, ${shown(odd)})`, () => (make as Method)({}, odd));
      }
      for (const kind of ['tcp', 'unix', 'udp', 'unixDatagram', 'adopt'] as const) {
        attempts.call(`clients.${kind}(${shown(odd)})`, () => (clients[kind] as Method)(odd));
      }
      // A descriptor, and a name in the working directory, would be somebody's.
      attempts.call(`files.open(path, ${shown(odd)})`, () => (files.open as Method)(path.join(folder, 'file'), odd));
      attempts.call(`send(${shown(odd)})`, () => (worker.send as Method).call(worker, odd));
      attempts.call(`handOff(${shown(odd)})`, () => (worker.handOff as Method).call(worker, odd, 1));
      attempts.call(`new ClientPool(${shown(odd)})`, () => new (ClientPool as any)(odd, { size: 1 }));
      attempts.call(`new ClientPool(connect, ${shown(odd)})`, () => new (ClientPool as any)(connect, odd));
      attempts.call(`new Transport(${shown(odd)})`, () => void new (Transport as any)(odd));
      attempts.call(`start(${shown(odd)})`, () => new (Transport as any)({ workers: 0 }).start(odd));
    }
    await attempts.over();
    t.pass();
  });
}
