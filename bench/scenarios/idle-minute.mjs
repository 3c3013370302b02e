/** The first message after nothing has happened for a minute: a connection that has exchanged a few, and then does nothing. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import core from '../arms/core.mjs';
import { digits } from '../lib/format.mjs';
import { startServer } from '../lib/processes.mjs';

const ARMS = ['core-again', 'ours', 'transport', 'base', 'bun', 'bun-socket'];

/** Messages before the pause, which have everything compiled that answers them. */
const WARM = 200;

const MESSAGE = Buffer.alloc(64, 'x');

const first = (run) => run.first.arm;
const later = (run) => run.first.arm - run.first.core;
const column = (head, of) => ({ head: () => head, of, show: (value) => digits(value, 3) });

export default {
  name: 'idle-minute',
  title: 'The first echo after an idle minute',
  mode: 'echo',
  unit: 'echo',
  takes: (arm) => ARMS.includes(arm.name),
  columns: [
    column('first ms', first),
    column('first ms of core', (run) => run.first.core),
    column('ms later than core', later),
    column('second ms', (run) => run.second.arm),
    column('second ms of core', (run) => run.second.core),
  ],
  metrics: { 'first echo': first },
  figures: { 'ms later than core': later },
  places: { 'ms later than core': 3 },
  plotted: [['first ms', first]],
  reach: () => ['ours', 'transport'].map((over) => ({ metric: 'ms later than core', over, atMost: 1 })),
  /** `chosen.idle`: seconds. */
  cases({ idle = [] }, quick) {
    const pauses = idle.length > 0 ? idle : [quick ? 5 : 60];
    return pauses.map((seconds) => ({ name: `${seconds} s`, idle: seconds }));
  },

  /** Core's server idles beside the arm's, so that both have had the same minute; who is asked first takes turns. */
  async measure({ idle }, arm) {
    const servers = {};
    const clients = {};
    try {
      for (const [name, one] of Object.entries({ arm, core })) {
        servers[name] = await startServer(one, 'echo');
        clients[name] = await connect(servers[name].address);
        for (let count = 0; count < WARM; count++) await echo(clients[name]);
      }
      await sleep(idle * 1000);
      await warmUpClient();
      const names = Object.keys(servers);
      turn = !turn;
      const order = turn ? names : names.toReversed();
      const found = { first: {}, second: {} };
      for (const name of order) for (const which of ['first', 'second']) found[which][name] = await echo(clients[name]);
      return found;
    } finally {
      for (const client of Object.values(clients)) client.destroy();
      await Promise.all(Object.values(servers).map((server) => server.stop()));
    }
  },
};

let turn = false;

async function connect(address) {
  const [, host, port] = /^(.*):(\d+)$/.exec(address);
  const client = net.connect({ host, port: Number(port), noDelay: true });
  await once(client, 'connect');
  return client;
}

/** Milliseconds that one message takes there and back. */
async function echo(client) {
  let left = MESSAGE.length;
  const answered = new Promise((resolve, reject) => {
    const hear = (bytes) => {
      left -= bytes.length;
      if (left > 0) return;
      client.off('data', hear).off('close', fail);
      resolve(performance.now());
    };
    const fail = () => reject(new Error('the server has closed the connection'));
    client.on('data', hear).on('close', fail);
  });
  const start = performance.now();
  client.write(MESSAGE);
  return (await answered) - start;
}

/** This process has idled as well: what it needs to be awake again is not the servers'. */
async function warmUpClient() {
  const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = await connect(`127.0.0.1:${server.address().port}`);
  for (let count = 0; count < WARM; count++) await echo(client);
  client.destroy();
  server.close();
}
