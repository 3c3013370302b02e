// A cluster whose workers listen: `node app.mjs MODE`; NODE_CLUSTER_SCHED_POLICY says who takes connections. Prints what happened, one line each.
import cluster from 'node:cluster';
import { once } from 'node:events';
import process from 'node:process';
import { stats } from 'iouring-transport';
import dgram from 'iouring-transport/dgram';
import http from 'iouring-transport/http';
import net from 'iouring-transport/net';

const [mode, where] = process.argv.slice(2);
const say = (...words) => console.log(...words);

/** Starts workers and resolves to them when they listen, each with what it has said. */
async function start(count) {
  const workers = Array.from({ length: count }, () => cluster.fork());
  const messages = await Promise.all(workers.map(async (it) => (await once(it, 'message'))[0]));
  return workers.map((it, index) => ({ worker: it, ...messages[index] }));
}

/** Connects and resolves to all that comes, or to the code of an error. */
function ask(target, words = '') {
  return new Promise((resolve) => {
    let text = '';
    const client = net.connect(target);
    client.on('error', (error) => resolve(error.code));
    client.setEncoding('utf8').on('data', (part) => (text += part));
    client.on('close', () => resolve(text));
    client.end(words);
  });
}

async function stop(workers) {
  for (const { worker: it } of workers) it.disconnect();
  await Promise.all(workers.map(({ worker: it }) => it.isDead() || once(it, 'exit')));
}

/** Two workers at one port, and what the primary is told of them. */
async function startOnOnePort() {
  const told = [];
  cluster.on('listening', (_worker, { addressType, address }) => told.push(`${addressType} ${address}`));
  const workers = await start(2);
  say('one port', new Set(workers.map(({ port }) => port)).size === 1);
  while (told.length < 2) await once(cluster, 'listening');
  say('told', told.join());
  return workers;
}

const primary = {
  /** All workers answer at one port, in turn where the primary deals. */
  async serve() {
    const workers = await startOnOnePort();
    const answers = [];
    for (let n = 0; n < 8; n++) answers.push(JSON.parse(await ask({ port: workers[0].port, host: '127.0.0.1' }, 'hello')));
    say('words', new Set(answers.map(({ words }) => words)));
    say('ends', new Set(answers.map(({ local, remote }) => `${local} ${remote}`)));
    say('of servers', new Set(answers.map(({ own }) => own)));
    if (cluster.schedulingPolicy === cluster.SCHED_RR) say('in turn', new Set(answers.map(({ pid }) => pid)).size);
    say(
      '#ring',
      answers.every(({ handles }) => handles >= 1),
    );
    await stop(workers);
    say('stopped');
  },

  async path() {
    const workers = await start(2);
    say('addresses', workers.map(({ port }) => port === where).join());
    const answers = [];
    for (let n = 0; n < 4; n++) answers.push(JSON.parse(await ask(where, 'hello')).words);
    say('words', new Set(answers));
    await stop(workers);
  },

  /** A connection that a worker has keeps it until it ends; no other worker and no client notices. */
  async restart() {
    let workers = await start(2);
    const target = { port: workers[0].port, host: '127.0.0.1' };
    let going = true;
    const answers = [];
    const load = Array.from({ length: 4 }, async () => {
      while (going) answers.push(await ask(target, 'hello'));
    });
    const held = net.connect(target);
    await once(held, 'connect');
    for (let n = 0; n < 2; n++) {
      const [old] = workers;
      const [fresh] = await start(1);
      workers = [...workers.slice(1), fresh];
      old.worker.disconnect();
      if (n === 0) setTimeout(() => held.end('held'), 50);
      await once(old.worker, 'exit');
      say('left', old.worker.process.exitCode, old.worker.exitedAfterDisconnect);
    }
    held.destroy();
    going = false;
    await Promise.all(load);
    say('all answered', answers.length > 4 && answers.every((text) => text.startsWith('{')));
    if (!answers.every((text) => text.startsWith('{'))) say(answers.filter((text) => !text.startsWith('{')));
    await stop(workers);
  },

  /** A worker is killed: its connections end, and those to come go to others. */
  async crash() {
    const workers = await start(1);
    const target = { port: workers[0].port, host: '127.0.0.1' };
    const client = net.connect(target);
    client.on('error', () => {});
    client.write('stay');
    await once(client, 'data');
    const [other] = await start(1);
    // Until the primary knows, it deals connections to the dead one as well, which nobody answers.
    const known = once(workers[0].worker, 'exit');
    workers[0].worker.process.kill('SIGKILL');
    await Promise.all([once(client, 'close'), known]);
    say('ended');
    const answers = [];
    for (let n = 0; n < 4; n++) answers.push(JSON.parse(await ask(target, 'hello')).pid);
    say('answered by the other', new Set(answers).size === 1 && answers[0] === other.worker.process.pid);
    await stop([other]);
  },

  async taken() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const workers = [cluster.fork({ PORT: server.address().port })];
    const [message] = await once(workers[0], 'message');
    say(message);
    await stop([{ worker: workers[0] }]);
    server.close();
  },

  /** One has a port of its own. */
  async exclusive() {
    const [first, second] = await start(2);
    say('two ports', first.port !== second.port);
    say('#ring', first.handles >= 1);
    for (const { worker: it } of [first, second]) it.process.kill();
  },

  async closed() {
    const [first] = await start(1);
    say(first.what.join());
    await stop([first]);
  },

  async udp() {
    const workers = await startOnOnePort();
    const socket = dgram.createSocket('udp4');
    let answers = 0;
    const all = new Promise((resolve) => socket.on('message', () => ++answers === 20 && resolve()));
    for (let n = 0; n < 20; n++) socket.send(`${n}`, workers[0].port, '127.0.0.1');
    await all;
    say('answers', answers);
    socket.close();
    say(
      '#ring',
      workers.every(({ handles }) => handles === 1),
    );
    for (const { worker: it } of workers) it.send('close');
    await Promise.all(workers.map(({ worker: it }) => once(it, 'message')));
    await stop(workers);
  },

  /** Workers close a socket that all have when they have had enough of it: what comes then is for the others. */
  async 'udp in part'() {
    const workers = await startOnOnePort();
    const counts = workers.map(async ({ worker: it }) => (await once(it, 'message'))[0]);
    const socket = dgram.createSocket('udp4');
    for (let n = 0; n < 20; n++) socket.send(`${n}`, workers[0].port, '127.0.0.1');
    say('received', (await Promise.all(counts)).join());
    socket.close();
    await stop(workers);
  },

  async http() {
    const workers = await start(2);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    const get = async (n) => {
      const request = http.get({ port: workers[0].port, host: '127.0.0.1', agent, path: `/${n}` });
      const [response] = await once(request, 'response');
      return (await response.setEncoding('utf8').toArray()).join('');
    };
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => get(n)));
    say(
      'answers',
      answers.every((text, n) => text === `answer to /${n}`),
    );
    agent.destroy();
    await stop(workers);
    say('stopped');
  },

  /** Connections that the primary has taken go to the worker that it chooses, as @socket.io/sticky does it. */
  async sticky() {
    const [first] = await start(1);
    const server = net.createServer({ pauseOnConnect: true }, (socket) => first.worker.send('take', socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const answers = [];
    for (let n = 0; n < 3; n++) {
      const request = http.get({ port: server.address().port, host: '127.0.0.1', agent: false });
      const [response] = await once(request, 'response');
      answers.push((await response.setEncoding('utf8').toArray()).join(''));
    }
    say('answers', answers.join());
    server.close();
    await stop([first]);
  },

  async most() {
    const [first] = await start(1);
    const target = { port: first.port, host: '127.0.0.1' };
    const client = net.connect(target);
    client.write('stay');
    await once(client, 'data');
    // With nobody else to deal it to, the primary offers it again.
    const second = ask(target, 'hello');
    client.destroy();
    say('answered', JSON.parse(await second).words);
    await stop([first]);
  },
};

/** A server that answers with what it knows of a connection at its end; who writes `stay` is answered at once, and stays. */
function answering() {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    let words = '';
    socket.setEncoding('utf8').on('data', (part) => {
      words += part;
      if (words === 'stay') socket.write('here');
    });
    socket
      .on('error', () => {})
      .on('end', () => {
        const own = socket.server === server && server.listening && server.address() !== null;
        const [local, remote] = [socket.localAddress, socket.remoteFamily];
        socket.end(JSON.stringify({ words, own, local, remote, pid: process.pid, handles: stats().handles }));
      });
  });
  return server;
}

const port = (server) => (typeof server.address() === 'string' ? server.address() : server.address().port);

const worker = {
  serve() {
    const server = answering().listen({ port: 0, host: '127.0.0.1' });
    server.on('listening', () => process.send({ port: port(server) }));
  },
  path() {
    const server = answering().listen(where);
    server.on('listening', () => process.send({ port: port(server) }));
  },
  exclusive() {
    const server = answering().listen({ port: 0, host: '127.0.0.1', exclusive: true });
    server.on('listening', () => process.send({ port: port(server), handles: stats().handles }));
  },
  taken() {
    const server = answering().listen(Number(process.env.PORT), '127.0.0.1');
    server.on('error', ({ code, syscall, address, message }) => {
      process.send([code, syscall, address, message.replace(process.env.PORT, 'PORT'), server.listening].join());
    });
  },
  closed() {
    const what = [];
    const server = answering().listen(0, '127.0.0.1', () => what.push('listening'));
    what.push(server.listening, server.address() === null);
    server.close(() => {
      what.push('close');
      // And once more, for good this time.
      server.listen(0, '127.0.0.1', () => {
        what.push('listening again');
        server.close(() => process.send({ what: [...what, 'close', server.listening] }));
      });
    });
  },
  udp() {
    const socket = dgram.createSocket('udp4').bind({ port: 0, address: '127.0.0.1' });
    socket.on('message', (bytes, { port: to, address }) => socket.send(bytes, to, address));
    socket.on('listening', () => process.send({ port: socket.address().port, handles: stats().handles }));
    process.on('message', () => socket.close(() => process.send('closed')));
  },
  'udp in part'() {
    const socket = dgram.createSocket('udp4').bind({ port: 0, address: '127.0.0.1' });
    let count = 0;
    socket.on('message', () => {
      if (++count === 10) socket.close(() => process.send(count));
    });
    socket.on('listening', () => process.send({ port: socket.address().port }));
  },
  http() {
    const server = http.createServer((request, response) => response.end(`answer to ${request.url}`));
    server.listen(0, '127.0.0.1', () => process.send({ port: port(server) }));
  },
  sticky() {
    const server = http.createServer((_request, response) => response.end('taken'));
    process.on('message', (_what, socket) => {
      server.emit('connection', socket);
      socket.resume();
    });
    process.send({});
  },
  most() {
    const server = answering().listen(0, '127.0.0.1', () => process.send({ port: port(server) }));
    server.maxConnections = 1;
  },
};
worker.restart = worker.serve;
worker.crash = worker.serve;

if (cluster.isPrimary) await primary[mode]();
else worker[mode]();
