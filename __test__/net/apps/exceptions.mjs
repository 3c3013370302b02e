// Listeners that throw, each in a store of its own: prints what 'uncaughtException' finds, one line an exception. usage: exceptions.mjs <prefix of modules>
import { AsyncLocalStorage, executionAsyncId, executionAsyncResource } from 'node:async_hooks';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';

const prefix = process.argv[2];
const [net, dgram, http] = await Promise.all(['net', 'dgram', 'http'].map(async (name) => (await import(prefix + name)).default));
const store = new AsyncLocalStorage();
let next;

process.on('uncaughtException', (error) => {
  const { planned } = error;
  if (!planned) throw error;
  const there = planned.resource === executionAsyncResource() && planned.id === executionAsyncId();
  const line = [
    planned.name,
    `thrown with ${planned.store}`,
    `told with ${store.getStore()}`,
    there ? 'in its place' : 'elsewhere',
  ];
  process.nextTick(() => {
    // Of the rest of core's stack of contexts nothing is left.
    console.log([...line, `then ${store.getStore()}`].join(', '));
    next?.();
  });
});

/** A listener that throws once, remembering where it was. */
function throwing(name, cleanUp = () => {}) {
  let thrown = false;
  return function (...args) {
    if (thrown) return;
    thrown = true;
    cleanUp.apply(this, args);
    throw Object.assign(new Error(name), {
      planned: { name, store: store.getStore(), id: executionAsyncId(), resource: executionAsyncResource() },
    });
  };
}

/** Runs `body` with its name as the store, until it has thrown and all that it gave back has ended. */
async function scenario(name, body) {
  const told = new Promise((resolve) => (next = resolve));
  await store.run(name, () => body(name));
  await told;
  await new Promise((resolve) => setTimeout(resolve, 5));
}

const unix = path.join(tmpdir(), `iouring-exceptions-${process.pid}`);
for (const [kind, where] of [
  ['tcp', { port: 0, host: '127.0.0.1' }],
  ['unix', { path: unix }],
]) {
  const server = store.run('server', () => net.createServer({ allowHalfOpen: true }));
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end());
  });
  store.run('listen', () => server.listen(where));
  await once(server, 'listening');
  const target = kind === 'tcp' ? { port: server.address().port, host: '127.0.0.1' } : where;
  const connect = (...more) => net.connect(target, ...more).on('error', () => {});
  const drop = function () {
    this.destroy();
  };

  await scenario(`${kind} connect callback`, (name) => connect(throwing(name, drop)));
  await scenario(`${kind} data`, (name) =>
    connect(function () {
      this.write('x');
    }).on('data', throwing(name, drop)),
  );
  await scenario(`${kind} data by onread`, (name) => {
    const socket = net.connect({
      ...target,
      onread: { buffer: Buffer.alloc(10), callback: throwing(name, () => socket.destroy()) },
    });
    socket.write('x');
  });
  await scenario(`${kind} end`, (name) => connect().end('x').resume().on('end', throwing(name)));
  await scenario(`${kind} close`, (name) => connect(drop).on('close', throwing(name)));
  await scenario(`${kind} close after an error`, (name) =>
    connect(function () {
      this.destroy(new Error('x'));
    }).on('close', throwing(name)),
  );
  await scenario(`${kind} write callback`, (name) => {
    const socket = connect();
    socket.resume().write(
      Buffer.alloc(1e6),
      throwing(name, () => socket.destroy()),
    );
  });
  await scenario(`${kind} finish`, (name) => connect().resume().end('x').on('finish', throwing(name)));
  await scenario(`${kind} drain`, (name) => {
    const socket = connect().resume();
    socket.write(Buffer.alloc(1e6));
    socket.on('drain', throwing(name, drop));
  });
  await scenario(`${kind} timeout`, (name) => connect().setTimeout(10).on('timeout', throwing(name, drop)));
  await scenario(`${kind} accepted connection`, (name) => {
    server.once(
      'connection',
      throwing(name, (socket) => socket.destroy()),
    );
    connect().resume();
  });
  await scenario(`${kind} accepted data`, (name) => {
    server.once('connection', (socket) => socket.on('data', throwing(name, drop)));
    connect().resume().write('x');
  });
  await scenario(`${kind} accepted end`, (name) => {
    server.once('connection', (socket) => socket.on('end', throwing(name, drop)));
    connect().resume().end('x');
  });
  await scenario(`${kind} accepted close`, (name) => {
    server.once('connection', (socket) => {
      socket.on('close', throwing(name)).destroy();
    });
    connect().resume();
  });
  await scenario(`${kind} close of the server`, (name) => server.close().on('close', throwing(name)));
  await scenario(`${kind} listening`, (name) => {
    const other = net.createServer();
    other.listen(
      where.path ? { path: `${unix}-2` } : where,
      throwing(name, () => other.close()),
    );
  });
}
rmSync(unix, { force: true });
await scenario('refused', (name) => net.connect(1, '127.0.0.1').on('error', throwing(name)));
await scenario('an error without a listener', (name) => net.connect(1, '127.0.0.1').on('error', throwing(name)));

const udp = (name, options = 'udp4') => store.run(`${name}'s socket`, () => dgram.createSocket(options));
await scenario('message', (name) => {
  const socket = udp(name).on(
    'message',
    throwing(name, () => socket.close()),
  );
  socket.bind(0, '127.0.0.1', () => socket.send('x', socket.address().port, '127.0.0.1'));
});
await scenario('send callback', (name) => {
  const socket = udp(name);
  socket.send(
    'x',
    9,
    '127.0.0.1',
    throwing(name, () => socket.close()),
  );
});
await scenario('send callback of a bound socket', async (name) => {
  const socket = udp(name);
  await new Promise((resolve) => socket.bind(0, resolve));
  socket.send(
    'x',
    9,
    '127.0.0.1',
    throwing(name, () => socket.close()),
  );
});
await scenario('send callback with an error', async (name) => {
  const socket = udp(name);
  await new Promise((resolve) => socket.bind(0, resolve));
  socket.send(
    Buffer.alloc(65_530),
    9,
    '127.0.0.1',
    throwing(name, () => socket.close()),
  );
});
await scenario('dgram listening', (name) => {
  const socket = udp(name);
  socket.bind(
    0,
    '127.0.0.1',
    throwing(name, () => socket.close()),
  );
});
await scenario('dgram connect', (name) => {
  const socket = udp(name);
  socket.connect(
    9,
    '127.0.0.1',
    throwing(name, () => socket.close()),
  );
});
await scenario('dgram close', (name) => {
  const socket = udp(name);
  socket.bind(0, () => store.run('closer', () => socket.close(throwing(name))));
});

const web = store.run('made', () => http.createServer((request, response) => setTimeout(() => response.end('x'), 50)));
store.run('listen', () => web.listen(0, '127.0.0.1'));
await once(web, 'listening');
const get = (more) => http.get({ port: web.address().port, host: '127.0.0.1', agent: false, ...more });
await scenario('request', (name) => {
  web.once('request', throwing(name));
  get().on('error', () => {});
});
await scenario('response', (name) =>
  get().on(
    'response',
    throwing(name, (response) => response.resume()),
  ),
);
await scenario('response data', (name) => get().on('response', (response) => response.on('data', throwing(name))));
await scenario('response end', (name) => get().on('response', (response) => response.resume().on('end', throwing(name))));
const post = () =>
  http.request({ port: web.address().port, host: '127.0.0.1', agent: false, method: 'POST' }).on('error', () => {});
await scenario('request body', (name) => {
  web.once('request', (request, response) =>
    request.on(
      'data',
      throwing(name, () => response.end()),
    ),
  );
  post().end('x');
});
await scenario('long request body', (name) => {
  web.once('request', (request, response) => {
    const listener = throwing(name, () => response.end());
    request.on('data', (chunk) => {
      if (chunk.length > 1) listener();
    });
  });
  const sent = post();
  sent.write('x');
  setTimeout(() => sent.end(Buffer.alloc(100_000)), 20);
});
await scenario('request end', (name) => {
  web.once('request', (request, response) =>
    request.resume().on(
      'end',
      throwing(name, () => response.end()),
    ),
  );
  post().end('x');
});
await scenario('request close', (name) => {
  web.once('request', (request, response) => {
    request.resume().on('close', throwing(name));
    response.end();
  });
  post().end('x');
});
await scenario('response finish', (name) => {
  web.once('request', (request, response) => response.on('finish', throwing(name)).end('x'));
  get().on('error', () => {});
});
await scenario('second request of a connection', (name) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  get({ agent }).on('response', (response) =>
    response.resume().on('end', () => {
      web.once('request', throwing(name));
      get({ agent }).on('error', () => {});
    }),
  );
});
await scenario('request in a store entered there', (name) => {
  web.once('request', () => {
    store.enterWith('entered');
    throwing(name)();
  });
  get().on('error', () => {});
});
await scenario('checkContinue', (name) => {
  web.once('checkContinue', throwing(name));
  get({ headers: { expect: '100-continue' } }).on('error', () => {});
});
await scenario('upgrade', (name) => {
  web.once(
    'upgrade',
    throwing(name, (request, socket) => socket.destroy()),
  );
  get({ headers: { connection: 'upgrade', upgrade: 'x' } }).on('error', () => {});
});
await scenario('upgraded data', (name) => {
  web.once('upgrade', (request, socket) =>
    socket
      .on('error', () => {})
      .on(
        'data',
        throwing(name, () => socket.destroy()),
      )
      .write('HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  );
  get({ headers: { connection: 'upgrade', upgrade: 'x' } })
    .on('upgrade', (response, socket) => socket.on('error', () => {}).write('y'))
    .on('error', () => {});
});
await scenario('request refused', (name) => get({ port: 1 }).on('error', throwing(name)));

process.exit();
