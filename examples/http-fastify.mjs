/**
 * An application of fastify over io_uring: the framework asks for a server through `serverFactory`, and gets ours.
 * Express is alike: `http.createServer(express()).listen(8080)` with `http` from 'iouring-transport/http'.
 *
 *     node examples/http-fastify.mjs
 */
import fastify from 'fastify';
import http from 'iouring-transport/http';

const app = fastify({ serverFactory: (handler) => http.createServer(handler) });

app.get('/hello/:name', (request) => ({ hello: request.params.name }));
app.post('/sum', {
  schema: {
    body: { type: 'object', required: ['numbers'], properties: { numbers: { type: 'array', items: { type: 'number' } } } },
  },
  handler: ({ body }) => ({ sum: body.numbers.reduce((sum, number) => sum + number, 0) }),
});

await app.listen({ host: '127.0.0.1', port: 0 });
const { port } = app.server.address();

// The client's side takes our sockets as well, and keeps its connection for the next request.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const request = http.request({ host: '127.0.0.1', port, method, path, headers: body && headers, agent }, async (response) => {
      try {
        resolve(`${response.statusCode} ${Buffer.concat(await response.toArray())}`);
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', reject);
    request.end(body && JSON.stringify(body));
  });
}

console.log('GET /hello/ring:', await ask('GET', '/hello/ring'));
console.log('POST /sum:', await ask('POST', '/sum', { numbers: [1, 2, 3] }));
console.log('POST /sum without numbers:', (await ask('POST', '/sum', {})).slice(0, 3));

agent.destroy();
await app.close();
console.log('server closed');
