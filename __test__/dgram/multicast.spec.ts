import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import test from 'ava';
import { bound, open } from './_tools.ts';

/** Makes a network of its own, with two interfaces that are each other's ends, and runs the script in it. */
function inNetwork(script: string) {
  const setUp =
    'ip link set lo up && ip link add left type veth peer name right && ip addr add 10.99.0.1/24 dev left && ' +
    'ip addr add 10.99.0.2/24 dev right && ip link set left up && ip link set right up && sleep 0.3';
  return spawnSync(
    'unshare',
    ['--net', 'sh', '-c', `${setUp} && exec "$0" --input-type=module --eval "$1"`, process.execPath, script],
    {
      encoding: 'utf8',
      timeout: 20_000,
    },
  );
}

for (const [family, group, members] of [
  ['udp4', '239.1.2.3', ['10.99.0.1']],
  ['udp6', 'ff02::1234', ['::%left']],
] as const) {
  for (const member of members) {
    test(`${family}: joined and sent to by ${member}`, (t) => {
      const { stdout, stderr, status } = inNetwork(`
        import { createSocket } from 'iouring-transport/dgram';
        const member = ${JSON.stringify(member)};
        const receiver = createSocket(${JSON.stringify(family)});
        receiver.on('message', (message) => { process.stdout.write(String(message)); receiver.close(); sender.close(); });
        const sender = createSocket(${JSON.stringify(family)});
        receiver.bind(4567, () => {
          receiver.addMembership(${JSON.stringify(group)}, member);
          sender.bind(0, () => {
            sender.setMulticastInterface(member);
            sender.setMulticastTTL(4);
            let left = 20;
            const timer = setInterval(() => { if (left-- === 0) process.exit(3); sender.send('by left', 4567, ${JSON.stringify(group)}); }, 100);
            receiver.on('close', () => clearInterval(timer));
          });
        });
      `);
      if (/unshare|not permitted|not found|Operation/.test(stderr) && stdout === '') {
        t.log(`skipped: no network namespace can be made here: ${stderr.trim().split('\n')[0] ?? ''}`);
        t.pass();
        return;
      }
      t.is(stdout, 'by left', `${status}: ${stderr}`);
    });
  }
}

test("memberships are refused with core's errors", async (t) => {
  const socket = await bound(t);
  t.throws(() => socket.addMembership(''), { code: 'ERR_MISSING_ARGS' });
  t.throws(() => socket.addMembership('10.0.0.1'), { code: 'EINVAL', message: 'addMembership EINVAL' });
  t.throws(() => socket.dropMembership('239.1.1.1', '127.0.0.1'), { code: 'EADDRNOTAVAIL' });
  t.throws(() => socket.setMulticastInterface('192.0.2.1'), { code: 'EADDRNOTAVAIL' });
});

test('on a socket that is not bound there is no descriptor', async (t) => {
  const socket = open(t, { type: 'udp4' });
  t.throws(() => socket.setMulticastTTL(2), { code: 'EBADF' });
  socket.bind(0);
  await once(socket, 'listening');
  t.is(socket.setMulticastTTL(2), 2);
});
