// A ring that fails under connections, datagrams and a pool (its descriptor is taken away here) leaves nobody waiting.
import test from 'ava';
import { drivers, run } from '../lifecycle/_child.ts';

const SCRIPT = `
  import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
  import { ClientPool, worker } from 'iouring-transport/transport';
  // Not libuv's: ours are for 4096 completions.
  const isRing = (fd) => {
    try {
      return readlinkSync('/proc/self/fd/' + fd) === 'anon_inode:[io_uring]' && readFileSync('/proc/self/fdinfo/' + fd, 'utf8').includes('CqMask:\\t0xfff\\n');
    } catch {
      return false;
    }
  };
  const told = {};
  const uncaught = [];
  const tell = (what, promise) => promise.then((value) => (told[what] = value?.code ?? 'no error'), ({ code }) => (told[what] = code));
  process.on('uncaughtException', ({ code }) => uncaught.push(code));
  process.on('unhandledRejection', ({ code }) => (told.unhandled = code));
  const accepted = [];
  const tcp = await worker.servers.tcp({}, (connection) => void accepted.push(connection));
  const { port } = tcp.address;
  const own = await worker.clients.tcp({ port });
  while (accepted.length === 0) await new Promise(setImmediate);
  const udp = await worker.servers.udp({});
  const sender = await worker.clients.udp({ port: udp.address.port });
  const pool = new ClientPool((signal) => worker.clients.tcp({ port, signal }), { size: 1, maxBackoff: 5 });
  await pool.ready();
  const waiting = [
    tell('read', own.read()),
    tell('stream', accepted[0].stream(() => {})),
    tell('closed', own.closed),
    tell('receive', udp.receive()),
    tell('pooled', pool.select().closed),
  ];
  for (const fd of readdirSync('/proc/self/fd').filter(isRing)) closeSync(Number(fd));
  waiting.push(tell('write', own.writeSingle(Buffer.alloc(16 * 1024 * 1024))), tell('send', sender.sendSingle(Buffer.from('x'))));
  await Promise.all(waiting);
  await tell('later', worker.clients.tcp({ port }));
  await tell('after', own.writeSingle(Buffer.from('x')));
  await tell('pool', pool.close());
  await tell('shutdown', worker.shutdown());
  told.open = [...worker.servers, ...worker.clients].length;
  console.log(JSON.stringify({ ...told, uncaught: uncaught.sort() }));
`;

/** Each is told by the errno of the ring's failure. */
const FAIL = ['read', 'stream', 'closed', 'receive', 'pooled', 'write', 'send', 'later', 'after'];

for (const driver of drivers) {
  test(`${driver}: when the ring fails all who wait are told, and the worker can be shut down`, (t) => {
    const { code, stdout, stderr } = run(SCRIPT, driver, 15_000);
    t.is(code, 0, stderr);
    const failed = Object.fromEntries(FAIL.map((what) => [what, 'EBADF']));
    t.deepEqual(JSON.parse(stdout), {
      ...failed,
      ...{ pool: 'no error', shutdown: 'no error', open: 0 },
      // Of the ring, and of the server, which cannot go on.
      uncaught: ['EBADF', 'ERR_IOURING_RING_FAILED'],
    });
  });
}
