// Listens on a socket that it was given as descriptor 3, as service managers do it. Answers connections with its name and closes the server with the first
// of so many; prints its events: `node handed-down.mjs NAME COUNT`.
import process from 'node:process';
import net from 'iouring-transport/net';

const [name, count] = process.argv.slice(2);
const say = (word) => process.stdout.write(`${word}\n`);

let seen = 0;
const server = net.createServer((socket) => {
  say('connection');
  socket.on('error', () => {}).end(name);
  if (++seen === Number(count)) server.close();
});
server.on('listening', () => say('listening')).on('close', () => say('close'));
server.listen({ fd: 3 });
