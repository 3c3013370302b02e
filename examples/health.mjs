/**
 * What a health check can tell about io_uring: whether it is in use, why not where it is not, and what is open and under way. Everything
 * that `stats()` counts (but `turns`) is zero again when all is closed; what does not return to zero is a leak.
 *
 *     node examples/health.mjs
 */
import { once } from 'node:events';
import { stats, support } from 'iouring-transport';
import http from 'iouring-transport/http';

function health() {
  const { backend, available, reason, message, kernel } = support();
  return {
    // Running on core is slower, and no failure: alarm on it where io_uring is what you count on.
    status: 'ok',
    transport: { backend, available, kernel, ...(reason && { reason, message }) },
    // Of this thread: each worker has a ring of its own.
    ring: stats(),
  };
}

const server = http.createServer((request, response) => {
  if (request.url !== '/health') return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(health()));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const request = http.get({ host: '127.0.0.1', port: server.address().port, path: '/health', agent: false });
const [response] = await once(request, 'response');
const answer = JSON.parse(Buffer.concat(await response.toArray()));
console.log('while serving:', answer);

server.close();
await once(server, 'close');
// What was closed is gone from the ring one turn later.
for (let turns = 0; stats().handles > 0 && turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
const { handles, operations, buffersLent } = stats();
console.log('all closed:', { handles, operations, buffersLent });
