// A cluster whose workers listen: `node cluster.mjs shared|exclusive`. Prints one line.
import cluster from 'node:cluster';
import { once } from 'node:events';
import process from 'node:process';
import { stats } from 'iouring-transport';
import net from 'iouring-transport/net';

const [mode] = process.argv.slice(2);

if (cluster.isPrimary) await (mode === 'shared' ? ask() : count());
else listen();

/** Two workers at one port: are both asked? */
async function ask() {
  const workers = [cluster.fork(), cluster.fork()];
  const ports = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0].port));
  const answers = [];
  for (let n = 0; n < 4; n++) {
    const client = net.connect(ports[0], '127.0.0.1');
    let text = '';
    client.setEncoding('utf8').on('data', (part) => (text += part));
    await once(client, 'close');
    answers.push(text);
  }
  console.log(`same port: ${ports[0] === ports[1]}, workers: ${new Set(answers).size}, answers: ${answers.length}`);
  for (const worker of workers) worker.disconnect();
}

/** One worker with a socket of its own: is it on the ring? */
async function count() {
  const worker = cluster.fork();
  const [{ handles }] = await once(worker, 'message');
  console.log(`handles: ${handles}`);
  worker.kill(); // Its server is its own: disconnecting would leave it open.
}

function listen() {
  const server = net.createServer((socket) => socket.end(String(process.pid)));
  server.listen({ port: 0, host: '127.0.0.1', exclusive: mode === 'exclusive' }, () => {
    process.send({ port: server.address().port, handles: stats().handles });
  });
}
