// Runs a script in a process of its own and tells how it ended.
import { spawnSync } from 'node:child_process';
import process from 'node:process';

/** How a process can be driven: by libuv, or by the waiting thread. */
export const drivers = ['uv', 'waiter'] as const;

export type Driver = (typeof drivers)[number];

/** A server `server`, a client `client` and `echoed`, called with the number of echoes so far; then the test's own lines. */
const PRELUDE = `
import net from 'iouring-transport/net';
import { stats } from 'iouring-transport';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
let echoed = () => {};
let echoes = 0;
const server = net.createServer((socket) => { socket.on('error', () => {}); socket.on('data', (bytes) => socket.write(bytes)); });
let client;
function start() {
  server.listen(0, '127.0.0.1', () => {
    client = net.connect(server.address().port, '127.0.0.1', () => client.write('x'.repeat(1000)));
    client.on('error', () => {});
    client.on('data', (bytes) => { echoed(++echoes); if (!client.destroyed && client.writable) client.write(bytes); });
  });
}
`;

export function run(script: string, driver: Driver, timeout = 20_000) {
  const child = spawnSync(process.execPath, ['--input-type=module', '--eval', PRELUDE + script], {
    env: { ...process.env, IOURING_TRANSPORT: 'uring', IOURING_TRANSPORT_DRIVER: driver },
    encoding: 'utf8',
    timeout,
  });
  return { code: child.status, signal: child.signal, stdout: child.stdout, stderr: child.stderr };
}
