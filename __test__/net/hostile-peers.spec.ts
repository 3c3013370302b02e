// Peers that do what no client of Node's can: urgent data, tiny segments, data with the connect, closed windows, resets by the hundred.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import { needs } from '../_needs.ts';
import { closeOf, listening, nothingLeft, portOf } from './_sockets.ts';

const PYTHON = 'python3';

test.afterEach.always(nothingLeft);

/** What each script begins with; `port` is that of an echo server. */
const PRELUDE = `
import os, socket, struct, sys
port = int(sys.argv[1])
def opened():
    s = socket.socket()
    s.settimeout(20)
    return s
def connected():
    s = opened()
    s.connect(('127.0.0.1', port))
    return s
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()
def rest(s):
    received = b''
    while part := s.recv(65536): received += part
    s.close()
    return received
`;

const PEERS: Record<string, { script: string; told: string }> = {
  'urgent data is left out of the stream, which goes on behind it': {
    script: `
s = connected()
s.send(b'before'); s.send(b'!', socket.MSG_OOB); s.send(b'behind'); s.shutdown(socket.SHUT_WR)
print(rest(s).decode())`,
    told: 'beforebehind',
  },
  'segments of 48 bytes': {
    script: `
s = opened()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
s.connect(('127.0.0.1', port))
sent = os.urandom(20000)
s.sendall(sent); s.shutdown(socket.SHUT_WR)
print(rest(s) == sent)`,
    told: 'True',
  },
  'data that is sent with the connect': {
    script: `
MSG_FASTOPEN = 0x20000000
for _ in range(5):
    s = opened(); s.setblocking(True)
    s.sendto(b'early', MSG_FASTOPEN, ('127.0.0.1', port)); s.shutdown(socket.SHUT_WR)
    print(rest(s).decode(), end=' ')`,
    told: 'early early early early early',
  },
  'windows that close, and then resets': {
    script: `
sockets = []
for _ in range(10):
    s = opened()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    s.connect(('127.0.0.1', port)); s.setblocking(False)
    try:
        while True: s.send(bytes(65536))
    except BlockingIOError: sockets.append(s)
for s in sockets: reset(s)
print(len(sockets))`,
    told: '10',
  },
  'resets at every point of a connection': {
    script: `
for number in range(300):
    s = connected()
    if number % 3 > 0: s.send(bytes(number * 10))
    if number % 3 > 1: s.shutdown(socket.SHUT_WR)
    reset(s)
s = connected(); s.send(b'alive'); s.shutdown(socket.SHUT_WR)
print(rest(s).decode())`,
    told: 'alive',
  },
};

const declare = needs(PYTHON, spawnSync(PYTHON, ['--version']).status === 0);

for (const [title, { script, told }] of Object.entries(PEERS)) {
  declare(title, async (t) => {
    let open = 0;
    const closes: Promise<unknown>[] = [];
    const server = await listening({ allowHalfOpen: true }, (socket) => {
      open++;
      socket.on('error', () => {}).on('close', () => open--);
      closes.push(closeOf(socket));
      socket.pipe(socket);
    });
    const { stdout } = await promisify(execFile)(PYTHON, ['-c', PRELUDE + script, String(portOf(server))], { timeout: 60_000 });
    t.is(stdout.trim(), told);
    // Whoever has gone is noticed, however he went. As with core a server may say so before its last connections do.
    await new Promise((resolve) => server.close(resolve));
    await Promise.all(closes);
    t.is(open, 0);
  });
}
