// What connections and payloads do, on whichever backend is chosen: the spec files beside choose one and call this.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Connection, Payload } from 'iouring-transport/transport';
import { readBytes } from './_bytes.ts';

const { worker } = await import('iouring-transport/transport');
const { PayloadReleasedError } = await import('iouring-transport');
type Server = Awaited<ReturnType<typeof worker.servers.tcp>>;

const SECRET = randomBytes(4).toString('hex');
let paths = 0;

interface Kind {
  readonly name: string;
  serve(listener: (connection: Connection) => unknown, options?: object): Promise<Server>;
  connect(server: Server, options?: object): Promise<Connection>;
}

const kinds: Kind[] = [
  {
    name: 'tcp',
    serve: (listener, options) => worker.servers.tcp({ ...options }, listener),
    connect: (server, options) => worker.clients.tcp({ port: (server.address as net.AddressInfo).port, ...options }),
  },
  {
    name: 'unix',
    serve: (listener, options) =>
      worker.servers.unix(
        { path: path.join(os.tmpdir(), `transport-${process.pid}-${SECRET}-${++paths}`), ...options },
        listener,
      ),
    connect: (server, options) => worker.clients.unix({ path: (server.address as { path: string }).path, ...options }),
  },
];

/** Echoes from where the bytes lie. */
const echo = (connection: Connection): void => {
  void connection.stream((payload) => {
    void connection.writeSingle(payload);
    payload.release();
  });
};

/** Says which rejections are unhandled ones: AVA would end the process of the specs. */
const UNAWAITED = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import { worker } from 'iouring-transport/transport';
  const unhandled = [];
  process.on('unhandledRejection', ({ code }) => unhandled.push(code));
  const bytes = Buffer.from('x');
  const server = await worker.servers.tcp({}, () => {});
  const connection = await worker.clients.tcp({ port: server.address.port });
  const failed = [];
  const onError = ({ code }) => failed.push(code);
  connection.writeMany([bytes], { onDone() { throw Object.assign(new Error('mine'), { code: 'MINE' }); } });
  await sleep(20);
  const big = Buffer.alloc(32 * 1024 * 1024);
  connection.writeMany([big], { onError });
  connection.writeMany([big], { onError, linked: true });
  connection.reset();
  connection.writeMany([bytes], { onError });
  connection.writeMany([bytes], { linked: true });
  await sleep(20);
  console.log(JSON.stringify({ failed: [...new Set(failed)], unhandled }));
  await server.close({ gracefulTimeout: 0 });
`;

/** Whether a view shows nothing, or zeros. */
const blank = (view: Uint8Array): boolean => view.length === 0 || view.every((byte) => byte === 0);

/** Nothing is left of what a test has made. */
async function nothingLeft(t: ExecutionContext): Promise<void> {
  // Closing takes turns of the loop.
  for (let i = 0; i < 200 && (worker.stats().buffersLent > 0 || worker.buffers.used() > 0); i++) await sleep(5);
  t.is(worker.buffers.used(), 0);
  t.is(worker.stats().buffersLent, 0);
  t.is([...worker.clients].length, 0);
}

export function declareCases(): void {
  for (const kind of kinds) {
    for (const size of [1, 64, 4096, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 1024 * 1024]) {
      test.serial(`${kind.name}: ${size} bytes come back as they were sent`, async (t) => {
        const server = await kind.serve(echo);
        const client = await kind.connect(server);
        const bytes = randomBytes(size);
        const received = readBytes(client, size);
        await client.writeSingle(bytes);
        t.true(bytes.equals(await received));
        await client.close();
        await server.close();
        await nothingLeft(t);
      });
    }

    test.serial(`${kind.name}: 128 clients at once`, async (t) => {
      const server = await kind.serve(echo);
      const all = await Promise.all(
        Array.from({ length: 128 }, async (_, index) => {
          const client = await kind.connect(server);
          const bytes = randomBytes(1000 + index * 97);
          const received = readBytes(client, bytes.length);
          await client.writeMany([bytes.subarray(0, 100), bytes.subarray(100)]);
          const same = bytes.equals(await received);
          await client.close();
          return same;
        }),
      );
      t.true(all.every(Boolean));
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: the peer's end is null, and ends a loop and a stream`, async (t) => {
      const server = await kind.serve(async (connection) => {
        for await (const payload of connection) {
          await connection.writeSingle(payload);
          payload.release();
        }
      });
      const client = await kind.connect(server);
      const streamed: string[] = [];
      const ended = client.stream((payload) => streamed.push(payload.takeBytes().toString()));
      await client.writeSingle(Buffer.from('last words'));
      await client.shutdown();
      await ended;
      t.is(streamed.join(''), 'last words');
      t.is(await client.read(), null);
      t.is(await client.closed, null);
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: half-open, one end goes on when the other has ended`, async (t) => {
      const server = await kind.serve(
        async (connection) => {
          t.is((await readBytes(connection, 5)).toString(), 'hello');
          t.is(await connection.read(), null);
          await connection.writeSingle(Buffer.from('late'));
          await connection.close();
        },
        { allowHalfOpen: true },
      );
      const client = await kind.connect(server);
      await client.writeSingle(Buffer.from('hello'));
      await client.shutdown();
      t.is((await readBytes(client, 4)).toString(), 'late');
      t.is(await client.read(), null);
      await client.close();
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: who does not release holds the peer back, and gets all in the end`, async (t) => {
      const limit = 64 * 1024;
      const total = 16 * 1024 * 1024;
      const held: Payload[] = [];
      let done!: () => void;
      let release = false;
      let [got, most] = [0, 0];
      const finished = new Promise<void>((resolve) => (done = resolve));
      const server = await kind.serve(
        (connection) => {
          void connection.stream((payload) => {
            got += payload.length;
            held.push(payload);
            most = Math.max(
              most,
              held.reduce((sum, { length }) => sum + length, 0),
            );
            if (release) for (const one of held.splice(0)) one.release();
            if (got === total) done();
          });
        },
        { payloadLimit: limit },
      );
      const client = await kind.connect(server);
      const written = client.writeMany(Array.from({ length: 256 }, () => Buffer.alloc(total / 256, 1)));
      while (got < limit) await sleep(5);
      await sleep(50);
      t.true(most < total / 2, `${most}`);
      release = true;
      for (const one of held.splice(0)) one.release();
      await finished;
      await written;
      for (const one of held.splice(0)) one.release();
      await client.close({ gracefulTimeout: 0 });
      await server.close({ gracefulTimeout: 0 });
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: linked writes arrive as one, in order, payloads among them`, async (t) => {
      const server = await kind.serve(async (connection) => {
        const payload = (await connection.read())!;
        const seen: number[] = [];
        await connection.writeMany([Buffer.from('<'), payload, Buffer.from('>')], { linked: true, onDone: (i) => seen.push(i) });
        payload.release();
        t.deepEqual(seen, [0, 1, 2]);
        await connection.close();
      });
      const client = await kind.connect(server);
      await client.writeSingle(Buffer.from('middle'));
      t.is((await readBytes(client, 8)).toString(), '<middle>');
      await client.close();
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: many writes at once fail like single ones where the connection has ended`, async (t) => {
      const server = await kind.serve((connection) => void connection.read());
      const client = await kind.connect(server, { idleTimeout: 5 });
      const error = await client.closed;
      t.is((error as NodeJS.ErrnoException).code, 'ERR_IOURING_TIMEOUT');
      const bytes = Buffer.from('x');
      t.is(await t.throwsAsync(client.writeSingle(bytes)), error!);
      t.is(await t.throwsAsync(client.shutdown()), error!);
      for (const linked of [false, true]) {
        const failed: unknown[] = [];
        const onError = (why: Error, index: number): void => void failed.push(why, index);
        t.is(await t.throwsAsync(client.writeMany([bytes, bytes], { linked, onError })), error!);
        t.deepEqual(failed, [error, 0, error, 1]);
        await client.writeMany([], { linked });
      }
      await server.close({ gracefulTimeout: 0 });
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: of many writes none is made where one of them cannot be`, async (t) => {
      const server = await kind.serve(async (connection) => {
        const payload = (await connection.read())!;
        payload.release();
        for (const linked of [false, true]) {
          const writeMany = (list: unknown[], options?: object) => () =>
            connection.writeMany(list as Payload[], { linked, ...options });
          t.throws(writeMany([Buffer.from('x'), payload]), { code: 'ERR_IOURING_PAYLOAD_RELEASED' });
          t.throws(writeMany([Buffer.from('x'), 'y']), { code: 'ERR_INVALID_ARG_TYPE' });
          t.throws(writeMany([Buffer.from('x')], { onDone: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
          t.throws(writeMany([Buffer.from('x')], { onError: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
          await connection.writeMany([], { linked });
        }
        await connection.writeSingle(Buffer.from('end'));
        await connection.close();
      });
      const client = await kind.connect(server);
      await client.writeSingle(Buffer.from('hello'));
      t.is((await readBytes(client, 100)).toString(), 'end');
      await client.close();
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: after close() and reset() nothing can be done, and says so`, async (t) => {
      const server = await kind.serve(echo);
      const client = await kind.connect(server);
      const reading = client.read();
      await client.close({ gracefulTimeout: 0 });
      await t.throwsAsync(reading, { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(client.read(), { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(client.writeSingle(Buffer.from('x')), { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(client.writeMany([Buffer.from('x')], { linked: true }), { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(client.shutdown(), { code: 'ERR_IOURING_CLOSED' });
      t.false(client.active);
      t.is(client.remoteAddress, null);
      await client.close();
      client.reset();
      await server.close({ gracefulTimeout: 0 });
      await nothingLeft(t);
    });
  }

  test.serial('a reset is an error of the peer, told by closed and by what waits', async (t) => {
    let accepted!: (connection: Connection) => void;
    const connection = new Promise<Connection>((resolve) => (accepted = resolve));
    const server = await worker.servers.tcp({}, accepted);
    const client = await worker.clients.tcp({ port: (server.address as net.AddressInfo).port });
    const peer = await connection;
    const reading = peer.read();
    client.reset();
    await t.throwsAsync(reading, { code: 'ECONNRESET' });
    t.is(((await peer.closed) as NodeJS.ErrnoException).code, 'ECONNRESET');
    t.is(await client.closed, null);
    await server.close();
    await nothingLeft(t);
  });

  test.serial(
    'that writes fail which nobody waits for is no unhandled rejection; what their listener throws is one',
    async (t) => {
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', UNAWAITED], {
        timeout: 30_000,
      });
      t.deepEqual(JSON.parse(stdout), { failed: ['ERR_IOURING_CLOSED'], unhandled: ['MINE'] });
    },
  );

  test.serial('a released payload throws, whatever is asked of it; releasing twice does nothing', async (t) => {
    const server = await worker.servers.tcp({}, echo);
    const client = await worker.clients.tcp({ port: (server.address as net.AddressInfo).port });
    await client.writeSingle(Buffer.from('x'));
    const payload = (await client.read())!;
    payload.release();
    payload.release();
    t.true(payload.released);
    t.is(payload.length, 1);
    t.throws(() => payload.bytes, { instanceOf: PayloadReleasedError, code: 'ERR_IOURING_PAYLOAD_RELEASED' });
    t.throws(() => payload.takeBytes(), { instanceOf: PayloadReleasedError });
    t.throws(() => payload.toBytes(), { instanceOf: PayloadReleasedError });
    t.throws(() => client.writeSingle(payload), { instanceOf: PayloadReleasedError });
    await client.close();
    await server.close();
    await nothingLeft(t);
  });

  for (const size of [10, 5000]) {
    test.serial(`a stale view of ${size} bytes shows nothing of what comes later`, async (t) => {
      const server = await worker.servers.tcp({}, echo);
      const port = (server.address as net.AddressInfo).port;
      const [first, second] = [await worker.clients.tcp({ port }), await worker.clients.tcp({ port })];
      await first.writeSingle(Buffer.alloc(size, 'a'));
      const payload = (await first.read())!;
      const view = payload.bytes;
      t.is(view, payload.bytes);
      t.true(view.every((byte) => byte === 97));
      payload.release();
      t.true(blank(view));
      for (let i = 0; i < 50; i++) {
        await second.writeSingle(Buffer.alloc(size, 'b'));
        await readBytes(second, size);
        t.true(blank(view));
      }
      await first.close({ gracefulTimeout: 0 });
      await second.close();
      await server.close();
      await nothingLeft(t);
    });
  }

  test.serial('payloads outlive their connection, in the hands of who holds them', async (t) => {
    const server = await worker.servers.tcp({}, echo);
    const port = (server.address as net.AddressInfo).port;
    const held: Payload[] = [];
    // More than there are receive buffers.
    for (let i = 0; i < 300; i++) {
      const client = await worker.clients.tcp({ port });
      await client.writeSingle(Buffer.alloc(20_000, i));
      held.push((await client.read())!);
      await client.close({ gracefulTimeout: 0 });
    }
    for (const [index, payload] of held.entries()) {
      t.true(
        payload.bytes.every((byte) => byte === index % 256),
        `${index}`,
      );
      payload.release();
    }
    await server.close({ gracefulTimeout: 0 });
    await nothingLeft(t);
  });

  test.serial('wrong arguments have core’s codes', async (t) => {
    const type = { code: 'ERR_INVALID_ARG_TYPE' };
    await t.throwsAsync(worker.servers.tcp({ port: 'x' as never }, echo), { code: 'ERR_SOCKET_BAD_PORT' });
    await t.throwsAsync(worker.servers.tcp({ port: 65536 }, echo), { code: 'ERR_SOCKET_BAD_PORT' });
    await t.throwsAsync(worker.servers.tcp({ host: 1 as never }, echo), type);
    await t.throwsAsync(worker.servers.tcp({}, undefined as never), type);
    await t.throwsAsync(worker.servers.tcp({ payloadLimit: 0 }, echo), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(worker.servers.unix({ path: 1 as never }, echo), type);
    await t.throwsAsync(worker.clients.tcp({ port: 0 }), { code: 'ERR_SOCKET_BAD_PORT' });
    await t.throwsAsync(worker.clients.tcp({ port: 1, signal: {} as never }), type);
    const server = await worker.servers.tcp({}, echo);
    const client = await worker.clients.tcp({ port: (server.address as net.AddressInfo).port });
    t.throws(() => client.writeSingle('text' as never), type);
    t.throws(() => client.writeMany('text' as never), type);
    t.throws(() => client.writeMany([1 as never]), type);
    t.throws(() => client.stream(1 as never), type);
    await t.throwsAsync(client.close({ gracefulTimeout: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await client.close();
    await server.close();
  });

  test.serial('a shutdown with wrong options is none', async (t) => {
    const server = await worker.servers.tcp({}, echo);
    await t.throwsAsync(worker.shutdown(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(worker.shutdown({ gracefulTimeout: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    t.true(worker.active);
    await server.close();
    await nothingLeft(t);
  });

  test.serial('the stack of a connect’s error names who waits for it', async (t) => {
    const fetchPrice = async (): Promise<unknown> => {
      const connection = await worker.clients.unix({ path: '/nowhere/at-all' });
      return connection;
    };
    const { stack } = await t.throwsAsync(fetchPrice, { code: 'ENOENT' });
    t.regex(stack!, /^Error: connect ENOENT .*\n(.*\n)*\s+at async fetchPrice /);
  });

  test.serial('what cannot be had is the system’s error', async (t) => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    await t.throwsAsync(worker.servers.tcp({ port }, echo), { code: 'EADDRINUSE' });
    taken.close();
    await once(taken, 'close');
    await t.throwsAsync(worker.clients.tcp({ port }), { code: 'ECONNREFUSED' });
    await t.throwsAsync(worker.clients.unix({ path: '/nowhere/at-all' }), { code: 'ENOENT' });
    const aborted = AbortSignal.abort(new Error('no'));
    await t.throwsAsync(worker.clients.tcp({ port, signal: aborted }), { message: 'no' });
  });
}
