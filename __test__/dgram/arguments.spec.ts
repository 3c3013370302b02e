// Arguments of the wrong type or out of range: core's codes, never Node-API's, and a socket that goes on.
import dns from 'node:dns';
import { BlockList } from 'node:net';
import test from 'ava';
import dgram, { type SendResult, type Socket } from 'iouring-transport/dgram';
import { run } from '../net/_child.ts';
import { bound, holdsNothing, open, ring, send, until } from './_tools.ts';

const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  0.5,
  NaN,
  Infinity,
  2 ** 31,
  2 ** 32 + 1,
  2 ** 53,
  '',
  'text',
  5n,
  {},
  [],
  Symbol('odd'),
  () => {},
];

const codeOf = (result: SendResult | undefined): unknown =>
  result instanceof Error ? (result as NodeJS.ErrnoException).code : result;

function check(fail: (message: string) => void, error: unknown, what: string): void {
  const { code } = error as NodeJS.ErrnoException;
  // What core leaves to the language has no code.
  if (code === undefined ? !(error instanceof TypeError) : !/^(ERR_(?!NAPI)|E[A-Z]+$)/.test(code))
    fail(`${what}: ${String(error)} ${String(code)}`);
}

ring('whatever any method is given, nothing but core’s codes comes of it', async (t) => {
  const receiver = await bound(t);
  const { port } = receiver.address();
  const calls: Record<string, (socket: Socket, odd: any) => unknown> = {
    'sendMany: messages': (socket, odd) => socket.sendMany(odd),
    'sendMany: message': (socket, odd) => socket.sendMany([odd]),
    'sendMany: options': (socket, odd) => socket.sendMany([], odd),
    'sendMany: linked': (socket, odd) => socket.sendMany([], { linked: odd }),
    messages: (socket, odd) => socket.messages(odd).return(),
    'messages: highWaterMark': (socket, odd) => socket.messages({ highWaterMark: odd }).return(),
    'messages: signal': (socket, odd) => socket.messages({ signal: odd }).return(),
    setTTL: (socket, odd) => socket.setTTL(odd),
    setMulticastTTL: (socket, odd) => socket.setMulticastTTL(odd),
    setMulticastInterface: (socket, odd) => socket.setMulticastInterface(odd),
    setRecvBufferSize: (socket, odd) => socket.setRecvBufferSize(odd),
    'send: message': (socket, odd) => socket.send(odd, port, '127.0.0.1'),
    'send: port': (socket, odd) => socket.send('x', odd, '127.0.0.1'),
    'connect: port': (socket, odd) => socket.connect(odd),
    'bind again': (socket, odd) => socket.bind(odd),
  };
  for (const field of ['data', 'address', 'port', 'flags', 'segmentSize']) {
    calls[`sendMany: ${field}`] = (socket, odd) => socket.sendMany([{ data: 'x', port, address: '127.0.0.1', [field]: odd }]);
  }
  for (const [name, call] of Object.entries(calls)) {
    for (const odd of ODD) {
      const socket = await bound(t);
      socket.on('error', (error) => check(t.fail, error, name));
      try {
        const results: unknown = await call(socket, odd);
        if (Array.isArray(results)) for (const result of results) if (typeof result !== 'number') check(t.fail, result, name);
      } catch (error) {
        check(t.fail, error, name);
      }
      socket.close();
    }
  }
  t.is(await send(receiver, 'x', port), 1);
  receiver.close();
  t.true(await until(holdsNothing));
});

ring('a message of a batch that cannot be sent is answered in its place', async (t) => {
  const sendBlockList = new BlockList();
  sendBlockList.addAddress('127.0.0.2');
  for (const gso of [undefined, false]) {
    const receiver = await bound(t);
    const sender = await bound(t, { type: 'udp4', sendBlockList, ...(gso === undefined ? {} : { gso }) });
    const { port } = receiver.address();
    const to = (address: unknown, more: object = {}) => ({ data: 'four', port, address: address as string, ...more });
    const results = await sender.sendMany([
      to('127.0.0.1'),
      to(5),
      to('127.0.0.2'),
      to('127.0.0.2', { segmentSize: 1 }),
      to('nowhere'),
      to('127.0.0.1', { segmentSize: 3 }),
      to('127.0.0.1', { port: 'text' }),
      to('127.0.0.1'),
    ]);
    const blocked = 'ERR_IP_BLOCKED';
    const type = 'ERR_INVALID_ARG_TYPE';
    t.deepEqual(results.map(codeOf), [4, type, blocked, blocked, 'EINVAL', 4, type, 4]);
  }
});

ring('a path to bind to that is none', (t) => {
  for (const odd of [5, true]) {
    const socket = open(t, { type: 'unix_dgram' });
    t.throws(() => socket.bind(odd as never), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => socket.bind({ path: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    t.notThrows(() => socket.bind());
  }
});

test.serial('a dns.lookup in the place of core’s is asked for every address', async (t) => {
  const { lookup } = dns;
  const asked: string[] = [];
  dns.lookup = ((name: string, ...rest: unknown[]) => {
    asked.push(name);
    Reflect.apply(lookup, dns, [name, ...rest]);
  }) as typeof lookup;
  const socket = dgram.createSocket('udp4');
  dns.lookup = lookup;
  t.teardown(() => void socket.close());
  await new Promise<void>((resolve) => void socket.bind(resolve));
  await send(socket, 'x', socket.address().port);
  // Node 24 and later take an address as it stands.
  t.deepEqual(asked, Number.parseInt(process.versions.node, 10) >= 24 ? [] : ['0.0.0.0', '127.0.0.1']);
});

test('a constructor from before there were classes keeps its objects', async (t) => {
  function Old(this: Socket): void {
    Reflect.apply(dgram.Socket as unknown as () => void, this, ['udp4']);
  }
  Object.setPrototypeOf(Old.prototype as object, dgram.Socket.prototype);
  const socket = Reflect.construct(Old, []) as Socket;
  await new Promise<void>((resolve) => void socket.bind(0, '127.0.0.1', resolve));
  t.true(socket instanceof Old);
  t.true(socket.address().port > 0);
  socket.close();
});

test('classes that extend Socket are themselves in a cluster worker', async (t) => {
  const { stdout, stderr } = await run(
    `
    import dgram from 'iouring-transport/dgram';
        class Mine extends dgram.Socket { greet() { return 'mine'; } }
    console.log(cluster.isWorker, new Mine('udp4').greet(), new Mine('udp4') instanceof Mine);`,
    'export NODE_UNIQUE_ID=1',
  );
  t.is(stdout, 'true mine true', stderr);
});
