/** Peers that are another process, on core, and behave badly: they flood, stall, are stopped, or vanish in the middle. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytes } from '../pattern.mjs';

/** Its arguments: the port, what to do, and with how many connections. */
const BODY = `
  const net = require('node:net');
  const [port, how, count] = process.argv.slice(1);
  for (let i = 0; i < count; i++) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    if (how === 'flood') socket.on('connect', () => (i % 2 ? socket.resetAndDestroy() : socket.destroy()));
    else if (how === 'end') socket.end('x'), socket.pause();
    else if (how === 'stall') socket.pause(), socket.on('connect', () => socket.write(Buffer.alloc(i * 100)));
    else socket.on('data', () => {}), socket.write(Buffer.alloc(1 << 20));
  }`;

export async function peers(world, random) {
  const wasShort = world.watchForShortage();
  const { net, ledger } = world;
  const open = new Set();
  const server = net.createServer({ allowHalfOpen: random.chance(0.5) }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => {});
    socket.resume();
    // More than a peer that does not read has room for.
    socket.write(bytes(1, 0, 1 << 20));
  });
  server.on('error', () => {});
  try {
    await Promise.all([once(server, 'listening'), server.listen(0, '127.0.0.1')]);
  } catch (error) {
    return void ledger.check(wasShort() && error.code === 'EMFILE', 'a server listens', error);
  }
  const how = random.pick(['flood', 'end', 'stall', 'talk']);
  const child = spawn(process.execPath, ['--eval', BODY, String(server.address().port), how, String(random.from(1, 120))], {
    stdio: 'ignore',
  });
  const gone = once(child, 'exit');
  gone.catch(() => {}); // Where there is no descriptor for it.
  if (child.pid !== undefined) {
    await sleep(random.from(50, 600));
    if (random.chance(0.5)) child.kill('SIGSTOP');
    await sleep(random.from(0, 300));
    // Some of ours give up first.
    for (const socket of open) if (random.chance(0.3)) socket.destroy();
    child.kill('SIGKILL');
    await gone;
  }
  ledger.count(`processes that ${how}`);
  const closed = once(server, 'close');
  server.close();
  await sleep(50);
  for (const socket of open) socket.destroy();
  await closed;
  // Their 'close' comes after the server's.
  for (let waited = 0; open.size > 0 && waited < 5000; waited += 20) await sleep(20);
  ledger.check(open.size === 0, 'every socket of a peer that is gone is closed', open.size);
}
