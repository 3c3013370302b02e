// Groups and interfaces as no documentation describes them: the same calls to core's sockets and to ours, with the same outcome.
import core from 'node:dgram';
import { once } from 'node:events';
import test from 'ava';
import ours from 'iouring-transport/dgram';

type Dgram = typeof core;
type Socket = Record<string, (...args: unknown[]) => unknown>;

const INTERFACES: readonly unknown[] = [
  ...[
    undefined,
    null,
    '',
    ' ',
    '0',
    '1',
    '255',
    'lo',
    'nope',
    0,
    1,
    255,
    -1,
    1.5,
    Number.NaN,
    true,
    false,
    1n,
    {},
    [],
    ['127.0.0.1'],
  ],
  ...[
    '0.0.0.0',
    '127.0.0.1',
    '127.1',
    '127.0.0.001',
    '192.0.2.1',
    '256.0.0.1',
    '127.0.0.1%lo',
    ' 127.0.0.1',
    '127.0.0.1\0x',
    'x'.repeat(60),
  ],
  ...[
    '::',
    '::1',
    '::%lo',
    '::%1',
    '::%255',
    '::%nope',
    '::%',
    '::1%lo%lo',
    '::1\0',
    'fe80::1%lo',
    'ff02::1',
    '::ffff:127.0.0.1',
    ':',
    '%lo',
    'lo%',
  ],
  ...[Symbol('lo'), new String('127.0.0.1'), Buffer.from('127.0.0.1'), { toString: () => '127.0.0.1' }],
];
const GROUPS: readonly unknown[] = [
  ...[
    undefined,
    null,
    '',
    0,
    1,
    true,
    {},
    '239.1.2.3',
    '224.0.0.1',
    '10.0.0.1',
    '255.255.255.255',
    '0.0.0.0',
    '239.1.2',
    '239.1.2.3\0',
    'nope',
  ],
  ...[
    'ff02::1234',
    'ff02::1234%lo',
    'ff01::1',
    '::1',
    '::ffff:239.1.2.3',
    '239.1.2.3%lo',
    new String('239.1.2.3'),
    ['239.1.2.3'],
  ],
];
const SOURCES: readonly unknown[] = [
  undefined,
  null,
  '',
  0,
  {},
  '127.0.0.1',
  '0.0.0.0',
  '239.1.2.3',
  '::1',
  '::',
  'fe80::1%lo',
  'nope',
  '127.0.0.1 ',
];

function outcome(call: () => unknown): string {
  try {
    return String(call());
  } catch (error) {
    const { name, code, syscall, message } = error as NodeJS.ErrnoException;
    return [name, code, syscall, message].join(' ');
  }
}

async function bound(dgram: Dgram, type: 'udp4' | 'udp6'): Promise<Socket> {
  const socket = dgram.createSocket(type);
  socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1');
  await once(socket, 'listening');
  return socket as unknown as Socket;
}

/** What comes of one call after the other, each group of calls on a socket of its own. */
async function outcomes(
  dgram: Dgram,
  type: 'udp4' | 'udp6',
  groups: readonly unknown[][][],
  isBound: boolean,
): Promise<string[]> {
  const found: string[] = [];
  for (const calls of groups) {
    const socket = isBound ? await bound(dgram, type) : (dgram.createSocket(type) as unknown as Socket);
    for (const [name, ...args] of calls) {
      const described = args.map((arg) =>
        typeof arg === 'symbol' ? 'a symbol' : typeof arg === 'bigint' ? `${arg}n` : JSON.stringify(arg),
      );
      const result = outcome(() => socket[name as string](...args)).replace(/:\d+/, '');
      found.push(`${name as string}(${described.join(', ')}): ${result}`);
    }
    socket['close']();
  }
  return found;
}

async function alike(type: 'udp4' | 'udp6', groups: readonly unknown[][][], isBound = true): Promise<[string[], string[]]> {
  return [await outcomes(ours, type, groups, isBound), await outcomes(core, type, groups, isBound)];
}

for (const type of ['udp4', 'udp6'] as const) {
  test(`${type}: the interface to send by`, async (t) => {
    const calls = INTERFACES.map((on) => [['setMulticastInterface', on]]);
    t.deepEqual(...(await alike(type, calls)));
    t.deepEqual(...(await alike(type, calls, false)));
  });

  test(`${type}: groups`, async (t) => {
    const calls = GROUPS.flatMap((group) =>
      [undefined, '127.0.0.1', '::%lo'].map((on) => [
        ['addMembership', group, on],
        ['addMembership', group, on],
        ['dropMembership', group, on],
        ['dropMembership', group, on],
      ]),
    );
    t.deepEqual(...(await alike(type, calls)));
  });

  test(`${type}: the interface to join on`, async (t) => {
    const calls = ['239.1.2.3', 'ff02::1234', 'nope'].flatMap((group) =>
      INTERFACES.map((on) => [
        ['addMembership', group, on],
        ['addMembership', group, on],
        ['dropMembership', group, on],
      ]),
    );
    t.deepEqual(...(await alike(type, calls)));
  });

  test(`${type}: sources`, async (t) => {
    const calls = SOURCES.flatMap((source) =>
      ['', '232.1.2.3', 'ff32::1234', 'nope', 1].flatMap((group) =>
        [undefined, '127.0.0.1', '::%lo', 'lo', '', '1'].map((on) => [
          ['addSourceSpecificMembership', source, group, on],
          ['addSourceSpecificMembership', source, group, on],
          ['dropSourceSpecificMembership', source, group, on],
        ]),
      ),
    );
    t.deepEqual(...(await alike(type, calls)));
  });

  test(`${type}: a socket that is not bound binds itself to a port`, async (t) => {
    const on = type === 'udp4' ? '127.0.0.1' : '::%lo';
    const calls = [type === 'udp4' ? '239.1.2.3' : 'ff02::1234', 'nope', ''].map((group) => [
      ['addMembership', group, on],
      ['addMembership', group, on],
    ]);
    t.deepEqual(...(await alike(type, calls, false)));
    const ports = [ours as unknown as Dgram, core].map((dgram) => {
      const socket = dgram.createSocket(type);
      socket.addMembership(type === 'udp4' ? '239.1.2.3' : 'ff02::1234', on);
      const { address, port } = socket.address();
      socket.close();
      return { address, isSome: port > 0 };
    });
    t.deepEqual(ports[0], ports[1]);
  });
}
