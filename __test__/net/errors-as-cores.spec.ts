// Whatever connect() and listen() fail with is what core's fail with, to the last property.
import { once } from 'node:events';
import core from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { errorOf, listening, nothingLeft, onRing, portOf, track } from './_sockets.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-errors-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
test.afterEach.always(nothingLeft);

type Net = Pick<typeof core, 'connect' | 'createServer'>;

/** All that can be seen of an error. */
function describe(error: NodeJS.ErrnoException): object {
  return { ...error, message: error.message, name: error.name, isError: error instanceof Error, keys: Object.keys(error) };
}

async function same(
  t: { deepEqual(actual: unknown, expected: unknown): unknown },
  fail: (net: Net) => core.Socket | core.Server,
) {
  const [ours, cores] = [describe(await errorOf(track(fail(net)))), describe(await errorOf(track(fail(core))))];
  t.deepEqual(ours, cores);
}

const CONNECTS: Record<string, core.NetConnectOpts> = {
  'an address that no packet goes to': { port: 1, host: '255.255.255.255' },
  'a name that does not resolve': { port: 1, host: 'nobody.invalid' },
  'a path that is not there': { path: path.join(folder, 'nothing') },
  'an abstract name that nobody listens at': { path: '\0nobody-is-here' },
  'a path below a file': { path: path.join(folder, 'file', 'x') },
  'a path that is no socket': { path: path.join(folder, 'file') },
  'a local address that is not ours': { port: 1, host: '127.0.0.1', localAddress: '192.0.2.1' },
  'a local port that is no whole number': { port: 1, host: '127.0.0.1', localPort: 1.5 },
  // Cut to 16 bits it is one.
  'a local port below zero': { port: 1, host: '127.0.0.1', localPort: -1 },
};
writeFileSync(path.join(folder, 'file'), '');

for (const [name, options] of Object.entries(CONNECTS)) {
  test.serial(`connect to ${name}`, (t) => same(t, (net) => net.connect({ ...options })));
}

const linkLocal = Object.values(os.networkInterfaces())
  .flat()
  .find((own) => own?.family === 'IPv6' && own.address.startsWith('fe80:'));
needs('a link-local address', linkLocal !== undefined)('connect to a link-local address without its interface', async (t) => {
  const server = track(core.createServer().listen(0, '::'));
  await once(server, 'listening');
  const outcomes = [];
  for (const it of [net, core]) {
    const socket = track(it.connect({ port: portOf(server), host: linkLocal!.address }));
    outcomes.push(
      await new Promise((resolve) => {
        socket.on('connect', () => resolve(['connected', socket.remoteAddress]));
        socket.on('error', (error) => resolve(describe(error)));
      }),
    );
    socket.destroy();
  }
  t.deepEqual(outcomes[0], outcomes[1]);
});

test.serial('connect that is refused, by address and by name', async (t) => {
  const server = await listening();
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  for (const host of ['127.0.0.1', 'localhost']) {
    for (const autoSelectFamily of [true, false]) await same(t, (net) => net.connect({ port, host, autoSelectFamily }));
  }
});

test.serial('listen at a port in use', async (t) => {
  const server = await listening();
  await same(t, (net) => net.createServer().listen(portOf(server), '127.0.0.1'));
});

test.serial('listen at an address that is not ours', (t) => same(t, (net) => net.createServer().listen(0, '192.0.2.1')));
test.serial('listen at a name that does not resolve', (t) => same(t, (net) => net.createServer().listen(0, 'nobody.invalid')));
test.serial('listen at a path in use', async (t) => {
  const place = path.join(folder, 'used');
  await listening({}, undefined, { path: place });
  await same(t, (net) => net.createServer().listen(place));
});
test.serial('listen at a path in a folder that is not there', (t) =>
  same(t, (net) => net.createServer().listen(path.join(folder, 'none', 'x'))),
);
test.serial('listen at the path of a file', (t) => same(t, (net) => net.createServer().listen(path.join(folder, 'file'))));

/** The longest paths that an address holds. */
for (const length of [106, 107, 108]) {
  const place = path.join(folder, 'p'.repeat(length - folder.length - 1));
  test.serial(`connect to a path of ${length} bytes`, (t) => same(t, (net) => net.connect(place)));
  test.serial(`listen at a path of ${length} bytes`, async (t) => {
    const outcomes = [];
    for (const it of [net, core]) {
      const server = track(it.createServer());
      const outcome = new Promise((resolve) => {
        server.on('error', (error) => resolve(describe(error)));
        server.on('listening', () => server.close(() => resolve('listening')));
      });
      server.listen(place);
      outcomes.push(await outcome);
    }
    t.deepEqual(outcomes[0], outcomes[1]);
  });
}

// Core of Node 24 and newer says so too; older ones cut the path short and listen at, or connect to, another one.
needs('io_uring', onRing)('a path that is too long for an address', async (t) => {
  const place = path.join(folder, 'p'.repeat(150));
  const refusedConnect = await errorOf(track(net.connect(place)));
  t.like(refusedConnect, { code: 'EINVAL', errno: -22, syscall: 'connect', address: place });
  const refusedListen = await errorOf(track(net.createServer().listen(place)));
  t.like(refusedListen, { code: 'EINVAL', errno: -22, syscall: 'listen', address: place });
});

test.serial('a local address that is no text, and a backlog that is no number', (t) => {
  for (const localAddress of [{}, [1], 10n]) {
    const told = [net, core].map((it) => t.throws(() => it.connect({ port: 1, localAddress } as never))?.message);
    t.is(told[0], told[1]);
  }
  const told = [net, core].map(
    (it) => t.throws(() => track(it.createServer()).listen({ port: 0, backlog: 10n } as never))?.message,
  );
  t.is(told[0], told[1]);
});

/**
 * A network of its own, in which a route says that nobody is there, and a link with a router, which knows of no other network. Nobody else answers there. What the
 * router says comes while connect(2) is still at work.
 */
const NETWORK = `{
  unshare --net sleep 20 & router=$!
  until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  ip link set lo up && ip link add left type veth peer name right netns $router && ip addr add 10.99.0.1/24 dev left && ip link set left up &&
    nsenter --net=/proc/$router/ns/net sh -c 'ip addr add 10.99.0.2/24 dev right && ip link set right up && cd /proc/sys/net/ipv4 && echo 1 > ip_forward && echo 0 > icmp_ratelimit' &&
    ip route add unreachable 192.0.2.1 && ip route add 198.51.100.0/24 via 10.99.0.2 &&
    echo 1 > /proc/sys/net/ipv4/neigh/left/mcast_solicit && echo 10 > /proc/sys/net/ipv4/neigh/left/retrans_time_ms
  } > /dev/null`;
const inNetwork = (...program: string[]) =>
  spawnSync('unshare', ['--net', 'sh', '-c', `${NETWORK} && "$0" "$@"; status=$?; kill $router; exit $status`, ...program], {
    encoding: 'utf8',
    timeout: 20_000,
  });

const UNREACHABLE = `
  import core from 'node:net';
  import net from 'iouring-transport/net';
  const attempt = (net, host) => new Promise((resolve) => net.connect({ port: 80, host }).on('connectionAttemptFailed', () => console.log('failed')).on('error', resolve));
  for (const host of ['192.0.2.1', '10.99.0.77', '198.51.100.1', '198.51.100.2']) {
    for (const each of [core, net]) console.log(String((await attempt(each, host)).message).replace(/:[1-9][0-9]*[)]/, ':port)'));
  }`;

needs('network namespaces', inNetwork('true').status === 0)(
  'unreachable: a host by a route, one that does not answer, and a network by a router',
  (t) => {
    const { stdout, stderr } = inNetwork(process.execPath, '--input-type=module', '--eval', UNREACHABLE);
    t.is(
      stdout,
      `connect EHOSTUNREACH 192.0.2.1:80 - Local (0.0.0.0:0)
connect EHOSTUNREACH 192.0.2.1:80 - Local (0.0.0.0:0)
failed
connect EHOSTUNREACH 10.99.0.77:80
failed
connect EHOSTUNREACH 10.99.0.77:80
failed
connect ENETUNREACH 198.51.100.1:80
failed
connect ENETUNREACH 198.51.100.1:80
failed
connect ENETUNREACH 198.51.100.2:80
failed
connect ENETUNREACH 198.51.100.2:80
`,
      stderr,
    );
  },
);
