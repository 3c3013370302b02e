/**
 * Datagrams, UDP and UNIX, answered by an echo: in bursts that may overflow each arrives whole and as it was, none twice; who waits for each answer loses
 * none.
 */
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../patience.mjs';
import { bytes, firstWrong } from '../pattern.mjs';

/** In front of each: its number. */
const NUMBER = 4;

/** How long an answer may take, in seconds. */
const PATIENCE = 30;

let named = 0;

export async function datagrams(world, random) {
  const wasShort = world.watchForShortage();
  const { dgram, ledger } = world;
  const type = random.pick(['udp4', 'udp6', world.onRing ? 'unix_dgram' : 'udp4']);
  const open = async () => {
    const socket = dgram.createSocket({ type, recvBufferSize: type === 'unix_dgram' ? undefined : 1 << 20 });
    socket.on('error', (error) =>
      ledger.check(wasShort() || error.code === 'ECONNREFUSED', 'a datagram socket has no error', error),
    );
    const listening = once(socket, 'listening');
    if (type === 'unix_dgram') socket.bind(path.join(world.folder, `d${named++}`));
    else socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1');
    await listening;
    return socket;
  };
  const bursting = random.chance(0.4);
  const sockets = [];
  try {
    const echo = await open();
    sockets.push(echo);
    echo.on('message', (message, from) => {
      void deliver(echo, message, type === 'unix_dgram' ? [from.address] : [from.port, from.address]);
    });
    const { address, port } = echo.address();
    const target = type === 'unix_dgram' ? [address] : [port, address];
    const clients = Array.from({ length: random.from(1, 12) }, () => random.fork());
    await Promise.all(
      clients.map(async (own) => {
        const client = await open();
        sockets.push(client);
        await (bursting ? burst : askOneByOne)(world, own, client, target);
      }),
    );
  } catch (error) {
    ledger.check(wasShort() && error.code === 'EMFILE', 'datagrams go to and fro', error);
  } finally {
    await Promise.all(sockets.map((socket) => Promise.all([once(socket, 'close'), socket.close()])));
  }
}

/** Sends, and where a UNIX peer's queue is full sends again: the error, or null. */
async function deliver(socket, message, to) {
  for (let tries = 0; ; tries++) {
    const error = await new Promise((resolve) => socket.send(message, ...to, resolve));
    if (error?.code !== 'EAGAIN' || tries === 100) return error;
    await sleep(5);
    if (!isOpen(socket)) return error;
  }
}

function isOpen(socket) {
  try {
    socket.address();
    return true;
  } catch {
    return false;
  }
}

function datagram(number, key, length) {
  const message = Buffer.alloc(NUMBER + length);
  message.writeUInt32BE(number);
  bytes(key + number, 0, length).copy(message, NUMBER);
  return message;
}

function check(ledger, message, key, lengths, seen) {
  const number = message.readUInt32BE();
  ledger.check(!seen.has(number), 'a datagram comes once', number);
  seen.add(number);
  ledger.check(message.length === NUMBER + lengths[number], 'a datagram is whole', number, message.length, lengths[number]);
  ledger.check(firstWrong(message.subarray(NUMBER), key + number, 0) < 0, 'a datagram is as it was', number);
  ledger.count('datagrams');
}

async function askOneByOne({ ledger, nextId }, random, client, target) {
  const [key, lengths, seen] = [nextId() * 1000, [], new Set()];
  for (let number = 0; number < 100; number++) {
    lengths.push(random.size(20_000));
    const sent = deliver(client, datagram(number, key, lengths[number]), target);
    const answered = await within(PATIENCE, once(client, 'message'));
    const error = await sent;
    if (!ledger.check(error === null && answered !== undefined, 'a datagram is answered', number, error, lengths[number])) return;
    check(ledger, answered[0], key, lengths, seen);
  }
}

async function burst({ ledger, nextId }, random, client, target) {
  const [key, lengths, seen] = [nextId() * 1000, [], new Set()];
  client.on('message', (message) => check(ledger, message, key, lengths, seen));
  const sends = [];
  for (let number = 0; number < random.from(10, 500); number++) {
    lengths.push(random.size(2000));
    sends.push(new Promise((resolve) => client.send(datagram(number, key, lengths[number]), ...target, resolve)));
    if (random.chance(0.02)) await sleep(1);
  }
  const failures = (await Promise.all(sends)).filter((error) => error !== null && !['EAGAIN', 'ENOBUFS'].includes(error.code));
  ledger.check(failures.length === 0, 'a burst is sent', failures[0]);
  await sleep(random.from(0, 100));
}
