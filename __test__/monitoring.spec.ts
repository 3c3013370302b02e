// What can be seen from outside: totals, latencies, the trace, diagnostics channels. Each case is a process of its own, of which nothing else has used the ring.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import { support } from 'iouring-transport';
import { needs } from './_needs.ts';
import { refuse, refusing } from './_refuse.ts';

const onRing = needs('io_uring', support().backend === 'uring', test);

/** What the scripts that use facades begin with. */
const HEAD = `
  import assert from 'node:assert/strict';
  import { once } from 'node:events';
  import { mkdtempSync, rmSync } from 'node:fs';
  import os from 'node:os';
  import path from 'node:path';
  import { configure, measureLatencies, stats, support, totals } from 'iouring-transport';
  import net from 'iouring-transport/net';
  import dgram from 'iouring-transport/dgram';
  import fs from 'iouring-transport/fs';
  const LENGTH = 100_000;
  const echo = async () => {
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect(server.address().port, '127.0.0.1');
    client.end(Buffer.alloc(LENGTH, 7));
    let received = 0;
    for await (const chunk of client) received += chunk.length;
    assert.equal(received, LENGTH);
    server.close();
    await once(server, 'close');
  };
  const file = async (work) => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'monitoring-'));
    try {
      await work(path.join(directory, 'file'));
    } finally {
      rmSync(directory, { recursive: true });
    }
  };`;

/** Runs a module and returns what it wrote to standard error; it must succeed. */
function run(t: ExecutionContext, script: string, environment: Record<string, string> = {}): string {
  const { IOURING_TRANSPORT_TRACE: _, ...inherited } = process.env;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...inherited, ...environment },
    encoding: 'utf8',
    timeout: 30_000,
  });
  t.is(status, 0, stderr);
  return stderr;
}

onRing('totals count every byte, once', (t) => {
  run(
    t,
    `${HEAD}
    assert.equal(totals().submissions, 0);
    await echo();
    let { bytesReceived, bytesSent, ...rest } = totals();
    assert.deepEqual([bytesReceived, bytesSent], [2 * LENGTH, 2 * LENGTH]);
    assert.ok(rest.enters > 0 && rest.submissions > 0 && rest.turns > 0);
    assert.ok(rest.completions >= 4 && rest.largestBatch >= 1 && rest.largestBatch <= rest.completions);
    assert.deepEqual([rest.overflows, rest.exhaustions, rest.bytesRead, rest.bytesWritten], [0, 0, 0, 0]);

    const socket = dgram.createSocket('udp4');
    await new Promise((done) => socket.bind(0, '127.0.0.1', done));
    socket.send(Buffer.alloc(1000), socket.address().port, '127.0.0.1');
    await once(socket, 'message');
    socket.close();
    await once(socket, 'close');
    assert.deepEqual([totals().bytesReceived, totals().bytesSent], [2 * LENGTH + 1000, 2 * LENGTH + 1000]);

    await file(async (name) => {
      await fs.writeFile(name, Buffer.alloc(300_000, 1));
      assert.equal((await fs.readFile(name)).length, 300_000);
      const handle = await fs.open(name);
      await handle.read(Buffer.alloc(10), 0, 10, 0);
      await handle.close();
    });
    assert.deepEqual([totals().bytesRead, totals().bytesWritten], [300_010, 300_000]);
    assert.deepEqual(Object.values(stats()).slice(0, -1), Array(9).fill(0));`,
  );
});

onRing('what waits for a receive buffer is counted', (t) => {
  run(
    t,
    `${HEAD}
    configure({ receiveBuffers: 8, receiveBufferSize: 1024 });
    const { worker } = await import('iouring-transport/transport');
    const server = await worker.servers.tcp({ payloadLimit: 2 ** 20 }, (connection) => {
      const held = [];
      void connection.stream((payload) => void held.push(payload)).then(() => held.forEach((payload) => payload.release()));
    });
    const client = await worker.clients.tcp({ port: server.address.port });
    await client.writeSingle(Buffer.alloc(64 * 1024));
    await client.close();
    await server.close();
    assert.ok(totals().exhaustions > 0);`,
  );
});

onRing('latencies are measured from when somebody asks until nobody does', (t) => {
  run(
    t,
    `${HEAD}
    await echo();
    const first = measureLatencies();
    assert.deepEqual(Object.keys(first.operations), ['accept', 'connect', 'receive', 'poll', 'pause', 'send', 'file', 'close']);
    assert.equal(first.operations.connect.count, 0);
    const second = measureLatencies();
    await echo();
    await file((name) => fs.writeFile(name, 'text'));
    for (const { operations, dispatches } of [first, second]) {
      assert.equal(operations.connect.count, 1);
      assert.ok(operations.receive.count > 0 && operations.file.count > 0 && dispatches.count > 0);
      assert.ok(operations.connect.min > 0 && operations.connect.max < 30e9 && dispatches.max < 30e9);
    }
    second.stop();
    await echo();
    assert.deepEqual([first.operations.connect.count, second.operations.connect.count], [2, 1]);
    first.stop();
    first.stop();
    await echo();
    assert.equal(first.operations.connect.count, 2);`,
  );
});

for (const [name, script, environment] of [
  ['configure({ trace: true })', 'configure({ trace: true });', {}],
  ['IOURING_TRANSPORT_TRACE=1', '', { IOURING_TRANSPORT_TRACE: '1' }],
] as const) {
  onRing(`${name} prints commands, requests, calls and completions`, (t) => {
    const printed = run(t, `${HEAD} ${script} assert.equal(support().settings.trace, true); await echo();`, environment);
    const lines = printed.trimEnd().split('\n');
    t.true(
      lines.every((line) => /^iouring-transport \d+\.\d{6} [:>=<] \S/.test(line)),
      printed,
    );
    for (const sample of [
      /: ReadStart \[/,
      /> connect#\d+\.\d+ CONNECT fd \d+ /,
      /= enter \d+$/,
      /< connect#\d+\.\d+ 0$/,
      /< receive#\d+\.\d+ \d+ in buffer \d+(, more to come)?$/,
    ]) {
      t.true(
        lines.some((line) => sample.test(line)),
        `${sample}\n${printed}`,
      );
    }
  });
}

onRing('nothing is printed else', (t) => {
  t.is(run(t, `${HEAD} assert.equal(support().settings.trace, false); await echo();`), '');
});

onRing('channels tell of rings and connections', (t) => {
  run(
    t,
    `
    import assert from 'node:assert/strict';
    import { subscribe } from 'node:diagnostics_channel';
    import { support } from 'iouring-transport';
    const events = [];
    for (const name of ['ring.created', 'connection.open', 'connection.close', 'fallback']) {
      subscribe('iouring-transport.' + name, (message) => events.push([name, message]));
    }
    const { worker } = await import('iouring-transport/transport');
    const server = await worker.servers.tcp({}, (connection) => void connection.close());
    const client = await worker.clients.tcp({ port: server.address.port });
    await client.close();
    await server.close();
    const of = (wanted) => events.filter(([name]) => name === wanted).map(([, message]) => message);
    assert.deepEqual(of('ring.created'), [{ settings: support().settings }]);
    assert.deepEqual(of('fallback'), []);
    assert.equal(of('connection.open').length, 2);
    assert.deepEqual(of('connection.close').map(({ error }) => error), [null, null]);
    assert.ok(of('connection.close').some(({ connection }) => connection === client));`,
  );
});

refusing('a fallback is told of on a channel, with its reason', (t) => {
  const script = `
    const { subscribe } = require('node:diagnostics_channel');
    subscribe('iouring-transport.fallback', ({ reason, errno }) => console.log(reason, errno));
    require('iouring-transport/net');`;
  const { IOURING_TRANSPORT: _, ...env } = process.env;
  const { stdout, error } = spawnSync(refuse, ['setup', process.execPath, '--eval', script], {
    env,
    encoding: 'utf8',
    timeout: 30_000,
  });
  t.is(error, undefined);
  t.is(stdout.trim(), 'ERR_IOURING_REFUSED_SECCOMP -1');
});
