// What changes about a socket after a send, in the same tick: the datagram goes to whom, and as, core sends it.
import { spawn, spawnSync } from 'node:child_process';
import core from 'node:dgram';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import dgram from 'iouring-transport/dgram';
import { needs } from '../_needs.ts';
import { bound, open, ring } from './_tools.ts';

type Outcome = readonly string[];

/** Two receivers, and a sender connected to the first, of which a scenario makes use. */
interface Stage {
  readonly socket: core.Socket;
  readonly ports: readonly [number, number];
  /** Notes down what became of a send. */
  readonly told: (name: string) => (error: NodeJS.ErrnoException | null) => void;
}

/** More than go to the kernel at once, and than fit into the command queue. */
const MANY = 1500;

const scenarios: [name: string, arrivals: number, act: (stage: Stage) => void][] = [
  [
    'disconnect',
    1,
    ({ socket, told }) => {
      socket.send('x', told('x'));
      socket.disconnect();
    },
  ],
  [
    'another peer',
    2,
    ({ socket, ports, told }) => {
      socket.send('for A', told('for A'));
      socket.disconnect();
      socket.connect(ports[1], '127.0.0.1', () => socket.send('for B', told('for B')));
      socket.send('by name', ports[0], '127.0.0.1');
    },
  ],
  [
    'peers in turn',
    4,
    ({ socket, ports, told }) => {
      const next = (left: number): void => {
        socket.send(`${left}`, told(`${left}`));
        socket.disconnect();
        if (left > 0) socket.connect(ports[left % 2], '127.0.0.1', () => next(left - 1));
      };
      next(3);
    },
  ],
  [
    'many, and then another peer',
    MANY,
    ({ socket, ports }) => {
      for (let i = 0; i < MANY; i++) socket.send(String(i));
      socket.disconnect();
      socket.connect(ports[1], '127.0.0.1');
    },
  ],
  [
    'a large one, and then another peer',
    1,
    ({ socket, ports, told }) => {
      socket.send(Buffer.alloc(60_000, 'a'), told('large'));
      socket.disconnect();
      socket.connect(ports[1], '127.0.0.1');
    },
  ],
  [
    'by name while it is being connected',
    0,
    ({ socket, ports, told }) => {
      socket.disconnect();
      socket.connect(ports[1], '127.0.0.1');
      socket.send('x', ports[0], '127.0.0.1', told('x'));
      socket.send('y', ports[0], 'localhost', told('y'));
    },
  ],
  [
    'by name, and then connected',
    1,
    ({ socket, ports, told }) => {
      socket.disconnect();
      socket.send('x', ports[0], '127.0.0.1', told('x'));
      socket.connect(ports[1], '127.0.0.1');
    },
  ],
];

async function play(t: ExecutionContext, module: typeof core, [, arrivals, act]: (typeof scenarios)[number]): Promise<Outcome> {
  const heard: string[] = [];
  const tellings: string[] = [];
  let settle!: () => void;
  const all = new Promise<void>((resolve) => (settle = resolve));
  const check = (): void => {
    if (heard.length >= arrivals && tellings.every((it) => !it.endsWith('?'))) settle();
  };
  const receivers = ['A', 'B'].map((name) => {
    const receiver = core.createSocket({ type: 'udp4', recvBufferSize: 8 << 20 });
    receiver.on('message', (message) => {
      heard.push(`${name} ${message.length > 20 ? message.length : String(message)}`);
      check();
    });
    receiver.bind(0, '127.0.0.1');
    t.teardown(() => void receiver.close());
    return receiver;
  });
  await Promise.all(receivers.map((receiver) => once(receiver, 'listening')));
  const ports = receivers.map((receiver) => receiver.address().port) as [number, number];
  const socket = module.createSocket('udp4');
  t.teardown(() => void socket.close());
  socket.connect(ports[0], '127.0.0.1');
  await once(socket, 'connect');
  const told = (name: string) => {
    const at = tellings.push(`${name} ?`) - 1;
    return (error: NodeJS.ErrnoException | null): void => {
      tellings[at] = `${name} ${error?.code ?? 'sent'}`;
      check();
    };
  };
  act({ socket, ports, told });
  check();
  await all;
  return [...heard.sort(), ...tellings.sort()];
}

for (const scenario of scenarios) {
  test(`after a send: ${scenario[0]}`, async (t) => {
    const [theirs, ours] = await Promise.all([play(t, core, scenario), play(t, dgram as unknown as typeof core, scenario)]);
    t.deepEqual(ours, theirs);
  });
}

/** Prints its port, and the time to live of each datagram, which is nothing that Node tells. */
const TELLS_TTL = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IP, 12, 1); s.bind(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
for _ in range(int(sys.argv[1])):
    data, ancillary, flags, peer = s.recvmsg(100, 100)
    print(data.decode(), int.from_bytes(ancillary[0][2][:4], sys.byteorder), flush=True)
`;

const python = needs('python3', spawnSync('python3', ['--version']).status === 0, test);

python('after a send to the peer: an option is for the next', async (t) => {
  const heard = async (module: typeof core): Promise<string> => {
    const child = spawn('python3', ['-c', TELLS_TTL, '4'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await once(child.stdout, 'data');
    const port = Number.parseInt(output, 10);
    const socket = module.createSocket('udp4');
    t.teardown(() => void socket.close());
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setTTL(10);
    // Still being looked up: the option is for this one too.
    socket.send('by name', port, '127.0.0.1');
    socket.setTTL(20);
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.send('first');
    socket.setTTL(30);
    socket.send('second');
    socket.setTTL(40);
    socket.send('third');
    await once(child, 'close');
    return output.split('\n').slice(1).join('\n');
  };
  const expected = 'by name 20\nfirst 20\nsecond 30\nthird 40\n';
  t.deepEqual(await Promise.all([heard(core), heard(dgram as unknown as typeof core)]), [expected, expected]);
});

test('after a send by address: an option of the same tick is for that one', async (t) => {
  const socket = await bound(t);
  const code = new Promise((resolve) => {
    socket.send('x', 9, '127.255.255.255', (error: NodeJS.ErrnoException | null) => resolve(error?.code ?? 'sent'));
  });
  socket.setBroadcast(true);
  t.is(await code, 'sent');
});

ring('a UNIX socket that gets another peer', async (t) => {
  const name = (peer: string): string => `\0changed-${process.pid}-${peer}`;
  const heard: string[] = [];
  let settle!: () => void;
  const all = new Promise<void>((resolve) => (settle = resolve));
  for (const peer of ['A', 'B']) {
    const receiver = open(t, { type: 'unix_dgram' });
    receiver.on('message', (message) => {
      if (heard.push(peer + String(message)) === 103) settle();
    });
    receiver.bind(name(peer));
    await once(receiver, 'listening');
  }
  const socket = open(t, { type: 'unix_dgram' });
  const told: unknown[] = [];
  socket.connect(name('A'), () => {
    for (let i = 0; i < 100; i++) socket.send(`${i}`, (error) => told.push(error));
    socket.disconnect();
    socket.connect(name('B'), () => {
      for (let i = 0; i < 3; i++) socket.send(`${i}`, (error) => told.push(error));
    });
  });
  await all;
  t.deepEqual(
    heard.filter((it) => it.startsWith('A')),
    Array.from({ length: 100 }, (_, i) => `A${i}`),
  );
  t.deepEqual(
    heard.filter((it) => it.startsWith('B')),
    ['B0', 'B1', 'B2'],
  );
  t.true(told.every((error) => error === null));
});
