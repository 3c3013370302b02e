// Descriptors that are passed over UNIX-domain sockets, and who the peer is.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type core from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import net, { peerCredentials, receiveDescriptors, sendDescriptors } from 'iouring-transport/net';
import { openDescriptors } from '../_descriptors.ts';
import { needs } from '../_needs.ts';
import { run } from './_child.ts';
import { listening, nothingLeft, onRing, pair, track } from './_sockets.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-descriptors-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
test.afterEach.always(nothingLeft);

const onTheRing = needs('io_uring', onRing);
const place = (name: string): string => path.join(folder, name);
/** Of the files that are passed here: others come and go with what the process does beside. */
const openFiles = (): number => openDescriptors(new RegExp(`^${folder}/file-`, 'u'));

/** What has arrived, in order. */
interface Inbox {
  texts: string[];
  contents: string[];
  positions: number[];
}

/** Two connected ends; the first sends, the second receives. */
async function ends(name: string): Promise<{ client: core.Socket; peer: core.Socket; inbox: Inbox }> {
  const inbox: Inbox = { texts: [], contents: [], positions: [] };
  let accepted!: core.Socket;
  await listening(
    {},
    (socket) => {
      accepted = socket;
      receiveDescriptors(socket, (descriptors, { position, lost }) => {
        inbox.positions.push(position);
        for (const fd of descriptors) {
          inbox.contents.push(`${readFileSync(`/proc/self/fd/${fd}`, 'utf8')}${lost ? '!' : ''}`);
          closeSync(fd);
        }
      });
      socket.on('data', (bytes: Buffer) => inbox.texts.push(bytes.toString('latin1')));
    },
    { path: place(name) },
  );
  const client = track(net.connect(place(name)));
  await once(client, 'connect');
  while (accepted === undefined) await new Promise((resolve) => setImmediate(resolve));
  return { client, peer: accepted, inbox };
}

function fileOf(content: string): number {
  writeFileSync(place(`file-${content}`), content);
  return openSync(place(`file-${content}`), 'r');
}

onTheRing('files arrive in order with their bytes, and the sender may close its own at once', async (t) => {
  const { client, peer, inbox } = await ends('order');
  let sent = '';
  const starts: number[] = [];
  for (let round = 0; round < 30; round++) {
    const fd = fileOf(`${round}`);
    client.write(`before ${round} `);
    // One of them is larger than the socket's buffer.
    const data = round === 7 ? 'x'.repeat(1 << 20) : `with ${round} `;
    sent += `before ${round} `;
    starts.push(sent.length);
    sendDescriptors(client, [fd], data);
    closeSync(fd);
    sent += data;
  }
  client.end('end');
  await once(peer, 'end');
  t.is(inbox.texts.join(''), `${sent}end`);
  t.deepEqual(
    inbox.contents,
    Array.from({ length: 30 }, (_, round) => `${round}`),
  );
  inbox.positions.forEach((position, round) => t.true(position <= starts[round]));
  t.is(openFiles(), 0);
});

onTheRing('253 at once, and not one more', async (t) => {
  const { client, peer, inbox } = await ends('many');
  const fd = fileOf('many');
  await new Promise<void>((resolve, reject) => {
    sendDescriptors(client, new Array<number>(253).fill(fd), 'x', (error) => (error ? reject(error) : resolve()));
  });
  t.throws(() => sendDescriptors(client, new Array<number>(254).fill(fd), 'x'), { code: 'ERR_OUT_OF_RANGE' });
  closeSync(fd);
  client.end();
  await once(peer, 'end');
  t.is(inbox.contents.length, 253);
});

const FLOOD = `
const net = require('iouring-transport/net');
const [, where, file] = process.argv;
const socket = net.connect(where);
const fd = require('node:fs').openSync(file);
for (let round = 0; round < 40; round++) net.sendDescriptors(socket, new Array(100).fill(fd), 'x');
socket.end();`;

for (const limit of [1, 60, 253]) {
  onTheRing(`a peer that passes them faster than they are taken: ${limit} at a time, and the loss is told`, async (t) => {
    let [messages, taken, losses, most] = [0, 0, 0, 0];
    closeSync(fileOf('flood'));
    const server = await listening(
      {},
      (socket) => {
        const taker = (descriptors: number[], { lost }: { lost: boolean }) => {
          most = Math.max(most, openFiles());
          messages++;
          taken += descriptors.length;
          if (lost) losses++;
          for (const one of descriptors) closeSync(one);
        };
        receiveDescriptors(socket, taker, { limit });
        socket.resume();
      },
      { path: place(`flood-${limit}`) },
    );
    // Another process, since its own would be counted.
    const peer = spawn(process.execPath, ['-e', FLOOD, place(`flood-${limit}`), place('file-flood')], {
      env: { ...process.env, IOURING_TRANSPORT: 'uring' },
      stdio: 'inherit',
    });
    const [accepted] = (await once(server, 'connection')) as [core.Socket];
    await Promise.all([once(accepted, 'end'), once(peer, 'exit')]);
    t.deepEqual([messages, taken, losses], [40, 40 * Math.min(limit, 100), limit < 100 ? 40 : 0]);
    t.is(most, Math.min(limit, 100));
  });
}

onTheRing('a limit is a whole number from 1 to 253', async (t) => {
  const { client } = await ends('limits');
  for (const limit of [0, -1, 254, 1.5, NaN, 2 ** 32 + 1]) {
    t.throws(() => receiveDescriptors(client, () => {}, { limit }), { code: 'ERR_OUT_OF_RANGE' });
  }
  t.throws(() => receiveDescriptors(client, () => {}, { limit: '4' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
});

onTheRing('a connection is handed over and goes on elsewhere', async (t) => {
  const { client, peer } = await ends('handed');
  const handed = new Promise<core.Socket>((resolve) => {
    receiveDescriptors(peer, ([fd]) => resolve(track(new net.Socket({ fd: fd }))));
  });
  const { client: one, peer: other } = await pair();
  sendDescriptors(client, [other], '!');
  const taken = await handed;
  taken.write('from the new owner');
  t.is(String((await once(one, 'data'))[0]), 'from the new owner');
});

onTheRing('none is left open, whenever it ends', async (t) => {
  const fd = fileOf('ends');
  for (const end of ['sender', 'receiver', 'nobody listens'] as const) {
    const { client, peer } = await ends(end);
    if (end === 'nobody listens') receiveDescriptors(peer, null);
    else peer.pause();
    for (let round = 0; round < 20; round++) sendDescriptors(client, [fd], 'x'.repeat(100_000));
    if (end === 'nobody listens') client.end();
    else (end === 'sender' ? client : peer).destroy();
    client.on('error', () => {});
    if (end !== 'nobody listens') await once(end === 'sender' ? client : peer, 'close');
    else await once(peer, 'close');
    peer.destroy();
    client.destroy();
  }
  await nothingLeft(t);
  t.is(openFiles(), 1);
  closeSync(fd);
});

onTheRing('what cannot be passed is refused and leaves the socket as it was', async (t) => {
  const { client, peer, inbox } = await ends('refused');
  t.throws(() => sendDescriptors(client, [], 'x'), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => sendDescriptors(client, [0], ''), { code: 'ERR_INVALID_ARG_VALUE' });
  t.throws(() => sendDescriptors(client, [1 << 20], 'x'), { code: 'EBADF', message: 'dup EBADF' });
  t.throws(() => sendDescriptors(client, [-1], 'x'), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => sendDescriptors(client, ['0' as never], 'x'), { code: 'ERR_INVALID_ARG_TYPE' });
  client.end('fine');
  await once(peer, 'end');
  t.is(inbox.texts.join(''), 'fine');
  t.throws(() => peerCredentials(new net.Socket()), { code: 'ERR_SOCKET_CLOSED' });
  const { client: tcp } = await pair();
  t.throws(() => sendDescriptors(tcp, [0], 'x'), { code: 'ERR_IOURING_NOT_UNIX' });
  t.throws(() => receiveDescriptors(tcp, () => {}), { code: 'ERR_IOURING_NOT_UNIX' });
  t.throws(() => peerCredentials(tcp), { code: 'ERR_IOURING_NOT_UNIX' });
});

onTheRing('both ends know who the other is', async (t) => {
  const { client, peer } = await ends('who');
  const self = { pid: process.pid, uid: process.geteuid!(), gid: process.getegid!() };
  t.deepEqual({ ...peerCredentials(client) }, self);
  t.deepEqual({ ...peerCredentials(peer) }, self);
});

const PYTHON = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
data, fds, flags, _ = socket.recv_fds(s, 100, 10)
text = os.read(fds[0], 100)
r, w = os.pipe(); os.write(w, text.upper()); os.close(w)
socket.send_fds(s, [data[::-1]], [r]); s.close()
`;
const python = onRing && spawnSync('python3', ['-c', 'import socket; socket.send_fds']).status === 0;

needs('python3', python)('there and back with another program', async (t) => {
  let child: ReturnType<typeof spawn> | undefined;
  const came = new Promise<[string, number]>((resolve) => {
    void listening(
      {},
      (socket) => {
        const fd = fileOf('content');
        sendDescriptors(socket, [fd], 'abc');
        closeSync(fd);
        let content = '';
        receiveDescriptors(socket, ([received]) => {
          t.true(fstatSync(received).isFIFO());
          content = readFileSync(received, 'utf8');
          closeSync(received);
        });
        const { pid } = peerCredentials(socket);
        socket.on('data', (bytes: Buffer) => resolve([`${bytes.toString()} ${content}`, pid]));
      },
      { path: place('python') },
    ).then(() => (child = spawn('python3', ['-c', PYTHON, place('python')], { stdio: 'inherit' })));
  });
  const [text, pid] = await came;
  t.is(text, 'cba CONTENT');
  t.is(pid, child!.pid!);
});

onTheRing('no room in the table: what fits comes, and the loss is told', async (t) => {
  const { code, stdout, stderr } = await run(
    `
    import { receiveDescriptors, sendDescriptors } from 'iouring-transport/net';
    import { closeSync, openSync } from 'node:fs';
    let peer;
    const server = net.createServer({ pauseOnConnect: true }, (socket) => {
      peer = socket;
      receiveDescriptors(socket, (fds, { lost }) => { console.log(fds.length, lost); process.exit(0); });
    }).listen(${JSON.stringify(place('full'))}, () => {
      const client = net.connect(${JSON.stringify(place('full'))}, () => {
        sendDescriptors(client, new Array(40).fill(0), 'x', () => {
          const opened = [];
          try { for (;;) opened.push(openSync('/dev/null')); } catch {}
          for (const fd of opened.splice(0, 2)) closeSync(fd);
          peer.resume();
        });
      });
      client.on('error', () => {});
    });`,
    'ulimit -n 120',
  );
  t.is(code, 0, stderr);
  t.is(stdout, '2 true');
});

test.serial('on the core backend they say why not', async (t) => {
  const { stdout } = await run(
    `
    import { peerCredentials } from 'iouring-transport/net';
    try { peerCredentials(new net.Socket()); } catch (error) { console.log(error.code, error.reason); }`,
    'export IOURING_TRANSPORT=core',
  );
  t.regex(stdout, /^ERR_IOURING_UNAVAILABLE ERR_IOURING_/);
});
