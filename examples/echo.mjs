/**
 * An echo server, and a few clients that talk to it. What is not `node:net` is the name of the import.
 *
 *     node examples/echo.mjs
 */
import { once } from 'node:events';
import net from 'iouring-transport/net';

const CLIENTS = 3;

const server = net.createServer((socket) => {
  socket.on('error', (error) => console.error(`a client went away: ${error.code}`));
  // Takes care of everything: of clients that do not read, and of their end.
  socket.pipe(socket);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { address, port } = server.address();

async function talk(number) {
  const socket = net.connect(port, address);
  socket.setEncoding('utf8');
  socket.end(`hello from client ${number}`);
  let echo = '';
  for await (const text of socket) echo += text;
  return echo;
}

const echoes = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => talk(index + 1)));
for (const echo of echoes) console.log(`echoed: ${echo}`);

server.close();
await once(server, 'close');
console.log('server closed');
