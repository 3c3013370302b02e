// Sessions over sockets of ours that they are given, of which all listeners of one event throw, in a process that lives on; one after the other for each event, with what each emitter tells.
// usage: throwing.mjs <plain|tls> <at once|tick|microtask> [event…], with KEY and CERT; a line of JSON for each event
import { AsyncLocalStorage } from 'node:async_hooks';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import http2 from 'iouring-transport/http2';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';

const [, , transport, when, ...only] = process.argv;
const { KEY: key, CERT: cert } = process.env;
const secure = transport === 'tls';
const storage = new AsyncLocalStorage();
const { NGHTTP2_CANCEL } = http2.constants;

/** By listeners and callbacks, whose names end so. */
const EVENTS = {
  session: ['remoteSettings', 'localSettings', 'ping', 'goaway', 'altsvc', 'origin', 'connect', 'close'],
  stream: [
    'ready',
    'headers',
    'response',
    'data',
    'readable',
    'end',
    'push',
    'trailers',
    'wantTrailers',
    'finish',
    'aborted',
    'close',
  ],
  server: ['session', 'stream'],
  compat: ['request', 'request data', 'request end', 'request close', 'response finish', 'response close'],
  callback: ['ping()', 'settings()', 'write()', 'end()', 'close()'],
};

let throwing = '';
let story = {};
let thrown = 0;

function tell(who, what) {
  const told = (story[who] ??= []);
  // How many pieces there are depends on what arrives together.
  if (what !== 'data' || told.at(-1) !== 'data') told.push(what);
}

process.on('uncaughtException', (error) => {
  if (error.message !== 'planned') throw error;
  tell('uncaught', storage.getStore() ?? 'no store');
});

function throwIf(name) {
  if (name !== throwing) return;
  thrown++;
  const planned = () => {
    throw new Error('planned');
  };
  if (when === 'tick') process.nextTick(planned);
  else if (when === 'microtask') queueMicrotask(planned);
  else planned();
}

function watch(who, emitter, kind) {
  for (const event of EVENTS[kind]) {
    // Whoever listens for 'readable' gets no 'data' by itself.
    if (event === 'readable' && throwing !== 'stream readable') continue;
    emitter.on(event, () => {
      tell(who, event);
      if (event === 'readable') while (emitter.read() !== null);
      throwIf(`${kind} ${event}`);
    });
  }
  emitter.on('error', (error) => {
    tell(who, `error ${error.code}`);
    throwIf(`${kind} error`);
  });
  return emitter;
}

const callback = (who, name) => () => {
  tell(who, name);
  throwIf(`callback ${name}`);
};

function answer(stream, headers) {
  const who = `server ${headers[':path']}`;
  watch(who, stream, 'stream');
  if (headers[':path'] === '/aborted') {
    stream.respond();
    stream.write('begin');
    return;
  }
  if (headers[':path'] === '/refused') {
    stream.close(http2.constants.NGHTTP2_REFUSED_STREAM, callback(who, 'close()'));
    return;
  }
  stream.additionalHeaders({ ':status': 103, link: 'x' });
  if (stream.pushAllowed) {
    stream.pushStream({ ':path': '/pushed' }, (error, pushed) => {
      watch('server /pushed', pushed, 'stream');
      pushed.respond();
      pushed.end('pushed');
    });
  }
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.prependListener('wantTrailers', () => stream.sendTrailers({ tail: 'x' }));
  stream.write('a', callback(who, 'write()'));
  stream.write('b'.repeat(40_000), callback(who, 'write()'));
  stream.end('c', callback(who, 'end()'));
}

function answerAsHttp(request, response) {
  const hear = (name) => {
    tell(`server ${request.url}`, name);
    throwIf(`compat ${name}`);
  };
  for (const event of ['data', 'end', 'close']) request.on(event, () => hear(`request ${event}`));
  for (const event of ['finish', 'close']) response.on(event, () => hear(`response ${event}`));
  response.end('answer');
  hear('request');
}

function ask(client, path, body) {
  const who = `client ${path}`;
  const stream = watch(who, client.request({ ':path': path, ':method': body ? 'POST' : 'GET' }), 'stream');
  if (body) {
    stream.write(body, callback(who, 'write()'));
    stream.end(body, callback(who, 'end()'));
  } else {
    stream.end();
  }
  return stream;
}

function play() {
  const server = secure ? http2.createSecureServer({ key, cert }) : http2.createServer();
  watch('server', server, 'server');
  server.on('sessionError', (error) => tell('server', `sessionError ${error.code}`));
  const sessions = [];
  server.prependListener('session', (session) => {
    sessions.push(watch('server session', session, 'session'));
    session.ping(callback('server session', 'ping()'));
    session.altsvc('h2=":8000"', 'https://example.org:80');
    if (secure) session.origin('https://example.org');
  });
  if (throwing.startsWith('compat')) server.on('request', answerAsHttp);
  else server.prependListener('stream', answer);
  return new Promise((resolve) => {
    const below = net.createServer((socket) => server.emit('connection', socket));
    below.listen(0, '127.0.0.1', async () => {
      const { port } = below.address();
      const socket = net.connect(port, '127.0.0.1');
      const options = { host: '127.0.0.1', rejectUnauthorized: false };
      const createConnection = () => (secure ? tls.connect({ ...options, socket, ALPNProtocols: ['h2'] }) : socket);
      const client = http2.connect(`http${secure ? 's' : ''}://127.0.0.1:${port}`, { createConnection });
      watch('client session', client, 'session');
      client.on('stream', (pushed, headers) => watch(`client ${headers[':path']}`, pushed, 'stream'));
      client.ping(callback('client session', 'ping()'));
      client.settings({ maxConcurrentStreams: 50 }, callback('client session', 'settings()'));
      const streams = [ask(client, '/one', 'question'), ask(client, '/two'), ask(client, '/refused')];
      const aborted = ask(client, '/aborted', 'x'.repeat(20_000));
      aborted.prependListener('data', () => aborted.close(NGHTTP2_CANCEL));
      // Where a listener of these throws, core begins or closes no further stream before the session is closed.
      const ends = ['session connect', 'stream ready', 'stream aborted', 'callback write()'].includes(throwing)
        ? []
        : [...streams, aborted];
      await Promise.all(ends.map((stream) => new Promise((closed) => stream.prependOnceListener('close', closed))));
      resolve({ server: below, client, sessions });
    });
  });
}

/** Until nobody tells anything any more. */
async function quiet() {
  for (let before = ''; before !== JSON.stringify(story); await delay(20)) before = JSON.stringify(story);
}

async function tellOf(event) {
  story = {};
  thrown = 0;
  throwing = event;
  const { server, client, sessions } = await storage.run('store', play);
  await quiet();
  client.close();
  await quiet();
  tell('end', `client ${client.destroyed ? 'destroyed' : 'alive'}`);
  throwing = '';
  client.destroy();
  for (const session of sessions) session.destroy();
  await new Promise((resolve) => server.close(resolve));
  await quiet();
  const { uncaught = [], ...told } = story;
  console.log(JSON.stringify({ event, thrown, uncaught: uncaught.length, stores: [...new Set(uncaught)], told }));
}

const all = Object.entries(EVENTS).flatMap(([kind, names]) => names.map((name) => `${kind} ${name}`));
for (const event of only.length > 0 ? only : ['nothing', ...all]) await tellOf(event);
process.exit();
