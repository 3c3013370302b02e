// What befalls a transport on its bad days: each ends with a coded error, and leaves nothing open.
import test from 'ava';
import { run } from '../net/_child.ts';

const PRELUDE = `
  import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { ClientPool, Transport, worker } from 'iouring-transport/transport';
  const does = (body) => 'data:text/javascript,' + encodeURIComponent('export default async (worker, data) => {' + body + '};');
  const target = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
  const sockets = () => readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith('socket:')).length;
  // Those of libuv have fewer completions.
  const rings = () => readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return target(fd) === 'anon_inode:[io_uring]' && readFileSync('/proc/self/fdinfo/' + fd, 'utf8').includes('CqMask:\\t0xfff\\n');
    } catch { return false; }
  });
  // Closing takes turns of several loops.
  const left = async (sockets0, rings0) => {
    for (let i = 0; i < 1000 && (sockets() > sockets0 || rings().length > rings0 || worker.buffers.used() > 0); i++) await sleep(5);
    const { buffersLent } = worker.stats();
    return { sockets: sockets() - sockets0, rings: rings().length - rings0, used: worker.buffers.used(), buffersLent };
  };
  const ask = async (port) => {
    const client = await worker.clients.tcp({ port });
    const payload = await client.read();
    const text = payload === null ? 'end' : payload.takeBytes().toString();
    await client.close({ gracefulTimeout: 0 });
    return text;
  };
  worker.stats();
`;

const NOTHING = { sockets: 0, rings: 0, used: 0, buffersLent: 0 };

/** What a script has printed last, as JSON. */
async function outcomeOf(script: string, before = ''): Promise<{ code: number | null; printed: any; stderr: string }> {
  const { code, stdout, stderr } = await run(PRELUDE + script, before);
  const last = stdout.split('\n').at(-1) ?? '';
  return { code, printed: last.startsWith('{') ? JSON.parse(last) : last, stderr };
}

test('the ring of a worker fails: the worker does, and another one serves at its port', async (t) => {
  const { code, printed, stderr } = await outcomeOf(`
    const known = rings();
    const before = [sockets(), known.length];
    const transport = new Transport({ workers: 1, restart: { minBackoff: 1 } });
    const told = [];
    transport.on('error', (error) => told.push(error.code, error.cause?.code));
    const port = new Promise((resolve) => transport.once('message', resolve));
    await transport.start(does(\`
      const { closeSync } = await import('node:fs');
      const server = await worker.servers.tcp({ port: 0 }, (connection) => connection.writeSingle(Buffer.from('hello')));
      worker.on('message', (rings) => {
        for (const fd of rings) closeSync(Number(fd));
        // Whoever does not use its ring hears of nothing.
        server.close();
      });
      worker.send(0, server.address.port);\`));
    const first = await ask(await port);
    const again = new Promise((resolve) => transport.once('worker', resolve));
    transport.send(1, rings().filter((fd) => !known.includes(fd)));
    const { restarts } = await again;
    const second = await ask(await port);
    await transport.shutdown();
    console.log(JSON.stringify({ told, restarts, first, second, left: await left(...before) }));
  `);
  t.is(code, 0, stderr);
  t.deepEqual(printed.told, ['ERR_IOURING_WORKER', 'ERR_IOURING_RING_FAILED'], stderr);
  t.like(printed, { restarts: 1, first: 'hello', second: 'hello' });
  t.deepEqual(printed.left, NOTHING);
});

for (const limit of [60, 80, 110]) {
  test(`descriptors are exhausted while workers start: ${limit}`, async (t) => {
    const { code, printed, stderr } = await outcomeOf(
      `
      const before = [sockets(), rings().length];
      const transport = new Transport({ workers: 12, restart: { limit: 0 } });
      transport.on('error', () => {});
      let code = 'started';
      try { await transport.start(does('await worker.servers.tcp({ port: 0 }, () => {});')); } catch (error) { code = error.code; }
      await transport.shutdown({ gracefulTimeout: 0 });
      console.log(JSON.stringify({ code, states: [...new Set(transport.workers.map(({ state }) => state))], left: await left(...before) }));`,
      `ulimit -n ${limit}`,
    );
    t.is(code, 0, stderr);
    t.is(printed.code, 'ERR_IOURING_WORKER', stderr);
    t.deepEqual(printed.states, ['ended']);
    t.deepEqual(printed.left, NOTHING);
  });
}

test('a shutdown during connects and accepts, asked for twice, leaves nothing', async (t) => {
  const { code, printed, stderr } = await outcomeOf(`
    const before = [sockets(), rings().length];
    const outcomes = new Set();
    for (const workers of [0, 2]) {
      const transport = new Transport({ workers });
      const port = new Promise((resolve) => transport.once('message', resolve));
      await transport.start(does(\`
        const server = await worker.servers.tcp({ port: 0, allowHalfOpen: true }, (connection) => connection.writeSingle(Buffer.from('hello')));
        worker.send(0, server.address.port);\`));
      const to = await port;
      const asking = Array.from({ length: 200 }, () => ask(to).then((text) => outcomes.add(text), (error) => outcomes.add(error.code)));
      await new Promise(setImmediate);
      const ends = [transport.shutdown({ gracefulTimeout: 50 }), transport.shutdown()];
      await Promise.all([...ends, ...asking]);
    }
    await worker.shutdown({ gracefulTimeout: 0 });
    await worker.shutdown();
    console.log(JSON.stringify({ outcomes: [...outcomes], clients: [...worker.clients].length, left: await left(...before) }));
  `);
  t.is(code, 0, stderr);
  for (const outcome of printed.outcomes)
    t.true(['hello', 'end', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(outcome), outcome);
  t.is(printed.clients, 0);
  t.deepEqual(printed.left, NOTHING);
});

/** A server, a connection to it and a datagram server, in this thread. */
const BOTH = `
  const server = await worker.servers.tcp({}, (connection) => connection.stream((payload) => { connection.writeSingle(payload); payload.release(); }));
  const client = await worker.clients.tcp({ port: server.address.port });
  const bytes = Buffer.from('x');`;

const callbacks: readonly (readonly [string, string])[] = [
  [
    'listener of a server',
    `const server = await worker.servers.tcp({}, exit); await worker.clients.tcp({ port: server.address.port });`,
  ],
  ['listener of a stream', `${BOTH} client.stream(exit); client.writeSingle(bytes);`],
  ['read', `${BOTH} client.writeSingle(bytes); await client.read(); exit();`],
  ['onDone', `${BOTH} client.writeMany([bytes], { onDone: exit });`],
  ['onError', `${BOTH} client.reset(); client.writeMany([bytes], { onError: exit });`],
  ['closed', `${BOTH} client.closed.then(exit); client.close();`],
  ['a health check', `${BOTH} new ClientPool(() => worker.clients.tcp({ port: server.address.port }), { healthCheck: exit });`],
  ['connect of a pool', `new ClientPool(exit);`],
  [
    'listener of datagrams',
    `const server = await worker.servers.udp(); server.stream(exit); (await worker.clients.udp({ port: server.address.port })).sendSingle(Buffer.from('x'));`,
  ],
  ["'message'", `new Transport({ workers: 1 }).on('message', exit).start(does('worker.send(0, 1)'));`],
  ["'worker'", `new Transport({ workers: 2 }).on('worker', exit).start(does(''));`],
  ["'exit'", `new Transport({ workers: 2 }).on('exit', exit).start(does('if (worker.id === 1) process.exit(0)'));`],
  ["'error'", `new Transport({ workers: 1 }).on('error', exit).start(does('setImmediate(() => { throw new Error() })'));`],
  ['a start function', `new Transport({ workers: 0 }).start(does('process.exit(7)'));`],
  [
    'a stop function',
    `const transport = new Transport({ workers: 0 }); await transport.start(does('return () => process.exit(7)')); transport.shutdown();`,
  ],
];
for (const [which, script] of callbacks) {
  test(`process.exit() in ${which} ends the process, in order`, async (t) => {
    const { code, stderr } = await outcomeOf(
      `const exit = () => process.exit(7); ${script} setTimeout(() => process.exit(1), 15_000);`,
    );
    t.is(code, 7, stderr);
    t.is(stderr, '');
  });
}

test('process.exit() in any callback of a worker ends that worker alone', async (t) => {
  const { code, printed, stderr } = await outcomeOf(`
    const before = [sockets(), rings().length];
    const bodies = [
      'const server = await worker.servers.tcp({}, exit); await worker.clients.tcp({ port: server.address.port });',
      'const server = await worker.servers.udp(); server.stream(exit); (await worker.clients.udp({ port: server.address.port })).sendSingle(Buffer.from("x"));',
      'worker.on("message", exit); worker.send(worker.id, 1);',
      'const server = await worker.servers.tcp({}, () => {}); const client = await worker.clients.tcp({ port: server.address.port }); client.writeMany([Buffer.from("x")], { onDone: exit });',
    ];
    const codes = [];
    for (const body of bodies) {
      const transport = new Transport({ workers: 1, restart: { limit: 0 } });
      const ended = new Promise((resolve) => transport.once('exit', (_, code) => resolve(code)));
      transport.on('error', () => {});
      await transport.start(does('const exit = () => process.exit(7);' + body)).catch(() => {});
      codes.push(await ended);
      await transport.shutdown();
    }
    console.log(JSON.stringify({ codes, left: await left(...before) }));
  `);
  t.is(code, 0, stderr);
  t.deepEqual(printed.codes, [7, 7, 7, 7]);
  t.deepEqual(printed.left, NOTHING);
});
