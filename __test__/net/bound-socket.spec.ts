// `net.BoundSocket` of newer Node versions: an address that is taken first, and listened on or connected from later.
import { once } from 'node:events';
import process from 'node:process';
import net, { type AddressInfo, type Server } from 'iouring-transport/net';
import { stats } from 'iouring-transport';
import { needs } from '../_needs.ts';

interface BoundSocket {
  address(): AddressInfo | string;
  fd(): number;
}

const { BoundSocket: Bound } = net as unknown as { BoundSocket?: new (options: object) => BoundSocket };
const hasBound = needs('net.BoundSocket, of newer versions of Node', Bound !== undefined);

const address = { port: 0, host: '127.0.0.1' };
const name = `\0bound-socket-${process.pid}`;

async function answers(server: Server): Promise<string> {
  const at = server.address() as AddressInfo | string;
  const client = net.connect(typeof at === 'string' ? { path: at } : { port: at.port, host: at.address });
  const [answer] = (await once(client, 'data')) as [Buffer];
  client.destroy();
  return answer.toString();
}

for (const [what, options, wrap] of [
  ['an address', address, false],
  ['an address as a handle', address, true],
  ['a path', { path: name }, false],
  ['a path as a handle', { path: name }, true],
] as const) {
  hasBound(`a server takes it over: ${what}`, async (t) => {
    const before = stats().handles;
    const bound = new Bound!(options);
    const taken = bound.address();
    const server = net.createServer((socket) => socket.end('hello'));
    t.teardown(() => server.close());
    server.listen(wrap ? { handle: bound } : bound);
    await once(server, 'listening');
    t.deepEqual(server.address(), taken);
    t.throws(() => bound.fd(), { code: 'ERR_SOCKET_HANDLE_ADOPTED' });
    if (options === address) t.is(stats().handles, before + 1, 'it is on the ring');
    t.is(await answers(server), 'hello');
    server.close();
    await once(server, 'close');
    t.throws(() => net.createServer().listen(bound), { code: 'ERR_SOCKET_HANDLE_ADOPTED' });
  });
}

hasBound('a client connects from it', async (t) => {
  const bound = new Bound!(address);
  const { port } = bound.address() as AddressInfo;
  const server = net.createServer((socket) => socket.end(String(socket.remotePort))).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const client = new net.Socket({ handle: bound } as object);
  client.connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [answer] = (await once(client, 'data')) as [Buffer];
  t.is(answer.toString(), String(port));
  t.true(client instanceof net.Socket);
  client.destroy();
});
