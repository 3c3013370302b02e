/**
 * A broker that opens files for others. The client asks over a UNIX socket; the broker looks up who that is and answers with the open file
 * itself, not with its content. The client may then read what it could not have opened.
 *
 *     node examples/unix-descriptors.mjs
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { close, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { support } from 'iouring-transport';
import { open, writeFile } from 'iouring-transport/fs';
import net, { peerCredentials, receiveDescriptors, sendDescriptors } from 'iouring-transport/net';

if (support().backend !== 'uring') {
  console.log(`Core passes no descriptors, and io_uring is not in use here (${support().reason}).`);
  process.exit(0);
}
const [, , role, socketPath] = process.argv;
if (role === 'client') await beClient(socketPath);
else await beBroker();

async function beBroker() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'example-'));
  await writeFile(path.join(folder, 'motd'), 'Everything is a file.\n', { mode: 0o600 });

  const server = net.createServer(async (socket) => {
    socket.on('error', (error) => console.error(`broker: ${error.code}`));
    const { pid, uid } = peerCredentials(socket);
    const isOurs = uid === process.getuid();
    console.log(
      `broker: the client is ${pid === client.pid ? 'our child' : 'a stranger'}, ${isOurs ? 'of our user' : 'of another user'}`,
    );
    if (!isOurs) return socket.end('refused\n');
    for await (const name of createInterface({ input: socket })) {
      // Never a path of the client's choice: only names that are known here.
      if (name !== 'motd') {
        socket.write(`no such file: ${name}\n`);
        continue;
      }
      const file = await open(path.join(folder, name));
      sendDescriptors(socket, [file], `${name}\n`);
      // It was duplicated when the call returned.
      await file.close();
    }
  });
  server.listen(path.join(folder, 'broker.sock'));
  await once(server, 'listening');

  const arguments_ = [fileURLToPath(import.meta.url), 'client', server.address()];
  const client = spawn(process.execPath, arguments_, { stdio: 'inherit' });
  const [code] = await once(client, 'close');
  server.close();
  await once(server, 'close');
  rmSync(folder, { recursive: true });
  process.exitCode = code;
}

async function beClient(socketPath) {
  const socket = net.connect(socketPath);
  const received = [];
  // Before anything can arrive: descriptors that nobody listens for are closed.
  receiveDescriptors(socket, (descriptors) => received.push(...descriptors));
  const answers = createInterface({ input: socket })[Symbol.asyncIterator]();

  socket.write('shadow\n');
  console.log(`client: ${(await answers.next()).value}`);
  socket.write('motd\n');
  const { value: name } = await answers.next();
  // They are ours now, and have to be closed. They are given out before the bytes that they came with.
  for (const descriptor of received) {
    console.log(`client: was given ${name}, which reads: ${readFileSync(descriptor, 'utf8').trim()}`);
    close(descriptor);
  }
  socket.end();
}
