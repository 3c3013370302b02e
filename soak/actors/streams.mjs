/** TCP and UNIX connections in great number and of every manner, some of them spoilt by one side. */
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { draw, HEADER, judge, play } from '../conversation.mjs';

let named = 0;

export async function streams(world, random) {
  const wasShort = world.watchForShortage();
  const { net, ledger } = world;
  const unix = random.chance(0.4);
  const plans = new Map();
  const servers = new Map();
  const server = net.createServer({ allowHalfOpen: true, noDelay: random.chance(0.5) }, (socket) =>
    welcome(socket, plans, servers),
  );
  const place = unix ? { path: path.join(world.folder, `s${named++}`) } : { host: random.pick(['127.0.0.1', '::1']), port: 0 };
  server.on('error', () => {});
  try {
    await Promise.all([once(server, 'listening'), server.listen(place)]);
  } catch (error) {
    return void ledger.check(wasShort() && error.code === 'EMFILE', 'a server listens', error);
  }
  const target = unix ? place : { ...place, port: server.address().port };

  const count = random.from(5, 150);
  const gap = random.pick([0, 0, 1, 5]);
  const conversations = [];
  for (let i = 0; i < count; i++) {
    const plan = draw(random, world.nextId(), { largest: random.pick([1000, 100_000, 2 << 20]), resets: !unix && world.onRing });
    plans.set(plan.id, plan);
    conversations.push(talk(world, net.connect({ ...target, allowHalfOpen: true }), plan, servers));
    if (gap > 0) await sleep(random.from(0, gap));
  }
  await Promise.all(conversations);
  const closed = once(server, 'close');
  server.close();
  await closed;
}

async function talk({ ledger, watchForShortage }, socket, plan, servers) {
  const wasShort = watchForShortage();
  const client = await play(plan, 'client', socket);
  // One whose connection the server has taken hears of its end, too; one that came in with bytes missing may never have given its number.
  let server = servers.get(plan.id);
  for (let waited = 0; server === undefined && waited < 2000 && plan.spoiler === undefined; waited += 20) {
    await sleep(20);
    server = servers.get(plan.id);
  }
  judge(ledger, plan, client, await server, wasShort());
}

/** Reads the number of a conversation, and plays the server's side of it. */
function welcome(socket, plans, servers) {
  let begun = false;
  const begin = (head) => {
    begun = true;
    const plan = plans.get(head.readUInt32BE());
    const side = play(plan, 'server', socket, head.subarray(HEADER));
    servers.set(plan.id, side);
  };
  socket.on('error', ignore);
  const listen = (head) => {
    socket.once('data', (chunk) => {
      const all = Buffer.concat([head, chunk]);
      if (all.length < HEADER) return listen(all);
      socket.pause();
      begin(all);
      socket.resume();
    });
  };
  socket.once('end', () => begun || socket.end());
  listen(Buffer.alloc(0));
}

function ignore() {}
