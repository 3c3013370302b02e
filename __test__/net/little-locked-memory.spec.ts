// An unprivileged user with 64 KiB of memory that may be locked, as many systems have it: the ring is small enough, or, where libuv's own rings (Node 22 and
// newer) have taken nearly all of it, core does the work.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';
import { run } from './_child.ts';
import { onRing } from './_sockets.ts';

const DROP = 'setpriv --reuid=65534 --regid=65534 --clear-groups';
const canDrop =
  onRing &&
  process.getuid?.() === 0 &&
  spawnSync('sh', ['-c', `${DROP} "$0" -e 0`, process.execPath], { cwd: new URL('../..', import.meta.url) }).status === 0;

(canDrop ? test : test.skip)('memlock of 64 KiB (needs root, setpriv, and a checkout that others can read)', async (t) => {
  const { code, stdout, stderr } = await run(
    `
    import { support } from 'iouring-transport';
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const clients = Array.from({ length: 40 }, () => net.connect(server.address().port, '127.0.0.1'));
    await Promise.all(clients.map(async (client) => {
      let echoed = 0;
      client.on('data', (bytes) => { echoed += bytes.length; });
      client.end(Buffer.alloc(300_000));
      await once(client, 'end');
      if (echoed !== 300_000) throw new Error('lost');
    }));
    server.close();
    console.log(process.getuid(), support().backend);`,
    'ulimit -l 64',
    DROP,
  );
  t.is(code, 0, stderr);
  const backends = Number.parseInt(process.versions.node) < 22 ? ['uring'] : ['uring', 'core'];
  t.true(backends.map((backend) => `65534 ${backend}`).includes(stdout), stdout);
  t.is(stderr.includes('ERR_IOURING_LOCK_LIMIT'), stdout.endsWith('core'), stderr);
});
