// Values that nobody should pass, wherever one can be passed: what becomes of them is what core makes of them, with core's codes and messages. Where core
// ends the process instead (what is no string but reads as an address), an error tells.
import coreDgram from 'node:dgram';
import core from 'node:net';
import test from 'ava';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { errorOf, listening, nothingLeft, onRing, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

/** They read as an address. */
const LIKE_ADDRESSES: Record<string, unknown> = {
  'an array of an address': ['127.0.0.1'],
  'an object that reads as an address': { toString: () => '127.0.0.1' },

  'a String object': new String('127.0.0.1'),
  'a buffer of an address': Buffer.from('127.0.0.1'),
};

const VALUES: Record<string, unknown> = {
  undefined,
  null: null,
  true: true,
  false: false,
  0: 0,
  1: 1,
  '-1': -1,
  1.5: 1.5,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '2**33': 2 ** 33,
  'a bigint': 5n,
  'a number as text': '7',
  'empty text': '',
  'an address': '127.0.0.1',
  'an address of IPv6': '::1',
  'an empty array': [],
  'an object': {},
  'a function': () => {},
  'a date': new Date(0),
};

type Net = typeof core;

const told = (error: unknown): unknown[] => {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return [name, code, message.replaceAll(/:\d{4,5}\b/g, ':PORT')];
};

/** What becomes of a socket: it is connected, or not, or was never made. */
async function outcomeOf(make: () => core.Socket): Promise<unknown> {
  let socket: core.Socket;
  try {
    socket = track(make());
  } catch (error) {
    return ['throws', ...told(error)];
  }
  const outcome = await new Promise((resolve) => {
    socket.on('connect', () => resolve('connected'));
    socket.on('error', (error) => resolve(['fails', ...told(error)]));
  });
  socket.destroy();
  return outcome;
}

const OPTIONS = [
  'localAddress',
  'localPort',
  'family',
  'hints',
  'autoSelectFamily',
  'autoSelectFamilyAttemptTimeout',
  'signal',
  'noDelay',
  'keepAlive',
  'keepAliveInitialDelay',
  'allowHalfOpen',
  'timeout',
  'blockList',
  'objectMode',
  'port',
];

for (const option of OPTIONS) {
  if (option === 'blockList' && !('isBlockList' in core.BlockList)) continue; // Ours has it in any case.
  test.serial(`connect({ ${option} })`, async (t) => {
    const port = portOf(await listening({}, (socket) => socket.resume()));
    for (const [name, value] of Object.entries(VALUES)) {
      // What one has been connected from cannot be connected from again for a while.
      if (option === 'localPort' && Number.isFinite(value)) continue;
      const options = { port, host: '127.0.0.1', [option]: value };
      const outcome = ({ connect }: Net) => outcomeOf(() => connect(options as core.NetConnectOpts));
      t.deepEqual(await outcome(net), await outcome(core), name);
    }
  });
}

test.serial('a host', async (t) => {
  const port = portOf(await listening({}, (socket) => socket.resume()));
  for (const [name, host] of Object.entries({ ...VALUES, 'text with a zero byte': 'a\0b' })) {
    const lookup = ((_host: string, _options: object, answer: (error: null, address: string, family: number) => void) => {
      answer(null, '127.0.0.1', 4);
    }) as core.LookupFunction;
    const outcome = ({ connect }: Net) => outcomeOf(() => connect({ port, host: host, family: 4, lookup }));
    t.deepEqual(await outcome(net), await outcome(core), name);
  }
  if (!onRing) return;
  for (const [name, host] of Object.entries(LIKE_ADDRESSES)) {
    t.throws(() => net.connect({ port, host: host as string }), { code: 'ERR_INVALID_ARG_TYPE' }, name);
  }
});

for (const all of [false, true]) {
  test.serial(`what a lookup answers, ${all ? 'of all addresses' : 'of one'}`, async (t) => {
    const port = portOf(await listening({}, (socket) => socket.resume()));
    const connectBy = ({ connect }: Net, address: unknown, family: unknown) => {
      const lookup = (_host: string, _options: object, answer: (error: null, ...found: unknown[]) => void) => {
        if (all) answer(null, [{ address, family }]);
        else answer(null, address, family);
      };
      const options = { port, host: 'some.name', lookup: lookup as core.LookupFunction };
      return connect(all ? { ...options, autoSelectFamily: true } : { ...options, family: 4 });
    };
    for (const [name, value] of Object.entries(VALUES)) {
      const asAddress = (stack: Net) => outcomeOf(() => connectBy(stack, value, 4));
      t.deepEqual(await asAddress(net), await asAddress(core), `address: ${name}`);
      const asFamily = (stack: Net) => outcomeOf(() => connectBy(stack, '127.0.0.1', value));
      t.deepEqual(await asFamily(net), await asFamily(core), `family: ${name}`);
    }
    if (!onRing) return;
    for (const [name, value] of Object.entries(LIKE_ADDRESSES)) {
      const socket = track(connectBy(net, value, 4));
      t.is((await errorOf(socket)).code, 'ERR_INVALID_IP_ADDRESS', name);
    }
  });
}

for (const option of ['port', 'path', 'backlog', 'exclusive', 'ipv6Only', 'signal', 'readableAll']) {
  test.serial(`listen({ ${option} })`, async (t) => {
    for (const [name, value] of Object.entries(VALUES)) {
      if (option === 'path' && typeof value === 'string' && value !== '') continue;
      if (typeof value === 'bigint') continue; // Core throws that long after.
      const outcome = async ({ createServer }: Net): Promise<unknown> => {
        const server = track(createServer());
        const came = new Promise((resolve) => {
          server.on('listening', () => resolve((server.address() as core.AddressInfo).address));
          server.on('error', (error) => resolve(told(error)));
        });
        try {
          server.listen({ ...(option === 'path' ? {} : { port: 0, host: '127.0.0.1' }), [option]: value });
        } catch (error) {
          return ['throws', ...told(error)];
        }
        const what = await came;
        server.close();
        return what;
      };
      const expected = await outcome(core);
      const port = option === 'port' && typeof value === 'number' && value > 0;
      t.deepEqual(port ? 'a port' : await outcome(net), port ? 'a port' : expected, name);
    }
  });
}

test.serial('an address to bind datagrams to, and to send them to', async (t) => {
  t.plan(onRing ? 12 : 0);
  if (!onRing) return;
  for (const [name, value] of Object.entries({ ...LIKE_ADDRESSES, 'an object': {}, true: true })) {
    const outcome = (stack: typeof coreDgram, act: (socket: coreDgram.Socket) => void): unknown => {
      const socket = stack.createSocket('udp4');
      try {
        act(socket);
        return 'nothing';
      } catch (error) {
        return told(error);
      } finally {
        socket.close();
      }
    };
    const bind = (socket: coreDgram.Socket) => socket.bind(0, value as string);
    t.deepEqual(outcome(dgram as unknown as typeof coreDgram, bind), outcome(coreDgram, bind), `bind: ${name}`);
    const send = (socket: coreDgram.Socket) => socket.send('x', 1, value as string);
    t.deepEqual(outcome(dgram as unknown as typeof coreDgram, send), outcome(coreDgram, send), `send: ${name}`);
  }
});
