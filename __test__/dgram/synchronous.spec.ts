// `bindSync()` and `connectSync()` of newer Node versions, and what is heard of a `bind()` that fails.
import { once } from 'node:events';
import core from 'node:dgram';
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import test from 'ava';
import ours from 'iouring-transport/dgram';
import { needs } from '../_needs.ts';

type Synchronous = core.Socket & {
  bindSync(options?: unknown): { address: string; family: string; port: number };
  connectSync(port?: unknown, address?: unknown): void;
};

const HAS_THEM = 'bindSync' in core.Socket.prototype;
const stacks = { core, ours: ours as unknown as typeof core };
const only = needs('bindSync, of newer versions of Node', HAS_THEM, test);
const make = (stack: typeof core, type: core.SocketType = 'udp4') => stack.createSocket(type) as Synchronous;

const outcomeOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    return [name, code, message.replaceAll(/:\d{4,5}\b/g, ':PORT')];
  }
};

test('they are there where core has them', (t) => {
  t.is('bindSync' in ours.Socket.prototype && ours.Socket.prototype['bindSync' as never] !== undefined, HAS_THEM);
});

only('bound and connected at once, told of later', async (t) => {
  const peer = make(stacks.ours);
  const { port, address, family } = peer.bindSync({ address: '127.0.0.1' });
  t.true(port > 0);
  t.deepEqual([address, family], ['127.0.0.1', 'IPv4']);
  t.deepEqual({ ...peer.address() }, { port, address, family });
  const seen: string[] = [];
  for (const event of ['listening', 'connect'] as const) peer.on(event as 'listening', () => seen.push(event));
  const client = make(stacks.ours);
  client.connectSync(port, '127.0.0.1');
  t.is(client.remoteAddress().port, port);
  t.deepEqual(seen, []);
  client.send('hello');
  const [message] = (await once(peer, 'message')) as [Buffer];
  t.is(message.toString(), 'hello');
  t.deepEqual(seen, ['listening']);
  client.close();
  peer.close();
});

only('what they do not take', (t) => {
  const scenes: ((socket: Synchronous) => unknown)[] = [
    ...[null, 1, 'x', []].map((options) => (socket: Synchronous) => socket.bindSync(options)),
    ...['x', -1, 65536, 1.5, {}].map((port) => (socket: Synchronous) => socket.bindSync({ port })),
    ...['localhost', '::1', 7, {}].map((address) => (socket: Synchronous) => socket.bindSync({ address })),
    ...[undefined, 0, 'x', 65536].map((port) => (socket: Synchronous) => socket.connectSync(port)),
    ...['localhost', '::1', 7, {}].map((address) => (socket: Synchronous) => socket.connectSync(9, address)),
    (socket) => [typeof socket.bindSync(), socket.bindSync()],
    (socket) => [socket.connectSync(9), socket.connectSync(9)],
    (socket) => [socket.bind(), socket.bindSync()],
    (socket) => [socket.bind(), socket.connectSync(9)],
  ];
  for (const scene of scenes) {
    const outcomes = Object.values(stacks).map((stack) => {
      const socket = make(stack);
      const outcome = outcomeOf(() => scene(socket));
      socket.close();
      return outcome;
    });
    t.deepEqual(outcomes[1], outcomes[0], scene.toString());
  }
});

only('an address that is taken', (t) => {
  const first = make(stacks.ours);
  const { port } = first.bindSync({ address: '127.0.0.1' });
  const second = make(stacks.ours);
  t.throws(() => second.bindSync({ port, address: '127.0.0.1' }), { code: 'EADDRINUSE' });
  // It can be used on.
  t.true(second.bindSync({ address: '127.0.0.1' }).port > 0);
  first.close();
  second.close();
});

test('IPv6 alone means nothing to a socket of IPv4', async (t) => {
  for (const stack of Object.values(stacks)) {
    const socket = stack.createSocket({ type: 'udp4', ipv6Only: true }).bind(0);
    const [{ message }] = (await once(socket, 'error')) as [Error];
    t.is(message, 'bind EINVAL 0.0.0.0');
    socket.close();
  }
});

test('an error of bind() that nobody listens for', async (t) => {
  const statusOf = async (module: string): Promise<unknown> => {
    const script = `import dgram from '${module}'; dgram.createSocket('udp4').bind(0, '::1', () => {}); setTimeout(() => {}, 50);`;
    const args = ['--input-type=module', '--eval', script];
    return promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname }).then(
      () => 'lost',
      ({ stderr }: { stderr: string }) => /bind EINVAL/.exec(stderr)?.[0],
    );
  };
  t.is(await statusOf('iouring-transport/dgram'), await statusOf('node:dgram'));
});
