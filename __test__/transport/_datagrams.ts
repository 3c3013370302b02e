// What datagram sockets do, on whichever backend is chosen: the spec files beside choose one and call this.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import type net from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import type { Datagram } from 'iouring-transport/transport';
import { declareFamilies } from './_datagram-families.ts';
import { kinds, nothingLeft, portOf, soon } from './_datagram-sockets.ts';

const { worker } = await import('iouring-transport/transport');
const { TransportTimeoutError } = await import('iouring-transport');

/** Echoes from where the bytes lie. */
const echo = (datagram: Datagram): void => {
  void datagram.respondSingle(datagram.payload);
  datagram.payload.release();
};

/** Says which rejections are unhandled ones: AVA would end the process of the specs. */
const UNAWAITED = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import { worker } from 'iouring-transport/transport';
  const unhandled = [];
  process.on('unhandledRejection', ({ code }) => unhandled.push(code));
  const bytes = Buffer.from('x');
  const server = await worker.servers.udp();
  const client = await worker.clients.udp({ port: server.address.port });
  await client.sendSingle(bytes);
  const datagram = await server.receive();
  datagram.payload.release();
  const failed = [];
  client.sendMany([Buffer.alloc(70_000)], { onError: ({ code }) => failed.push(code) });
  while (failed.length === 0) await sleep(5);
  await client.close();
  client.sendMany([bytes]);
  await server.close();
  datagram.respondMany([bytes]);
  await sleep(20);
  console.log(JSON.stringify({ failed, unhandled }));
`;

export function declareDatagrams(): void {
  for (const kind of kinds) {
    for (const size of [0, 1, 96, 97, 512, 513, 8 * 1024, 8 * 1024 + 1, 60_000]) {
      test.serial(`${kind.name}: a datagram of ${size} bytes comes back as it was sent`, async (t) => {
        const server = await kind.serve();
        void server.stream(echo);
        const client = await kind.connect(server);
        const bytes = randomBytes(size);
        await client.sendSingle(bytes);
        const { payload, truncated, address } = await client.receive(soon);
        t.is(payload.length, size);
        t.false(truncated);
        t.deepEqual(address, server.address);
        t.true(bytes.equals(payload.takeBytes()));
        await client.close();
        await server.close();
        await nothingLeft(t);
      });
    }

    test.serial(`${kind.name}: many at once, to their sender, in the loop of an iterator`, async (t) => {
      const server = await kind.serve();
      const serving = (async () => {
        for await (const { payload, ...datagram } of server) {
          t.deepEqual(Object.keys(datagram), ['truncated', 'ancillary']);
          payload.release();
        }
      })();
      await server.close();
      await serving;
      const second = await kind.serve();
      const looping = (async () => {
        for await (const datagram of second) {
          using payload = datagram.payload;
          await datagram.respondMany([Buffer.from('<'), payload, Buffer.from('>')]);
        }
      })();
      const clients = await Promise.all(Array.from({ length: 5 }, () => kind.connect(second)));
      for (const [index, client] of clients.entries()) {
        await client.sendMany([Buffer.from(`a${index}`), Buffer.from(`b${index}`)]);
        const texts: string[] = [];
        while (texts.length < 6) texts.push((await client.receive(soon)).payload.takeBytes().toString());
        t.deepEqual(texts, ['<', `a${index}`, '>', '<', `b${index}`, '>']);
      }
      await Promise.all(clients.map((client) => client.close()));
      await second.close();
      await looping;
      await nothingLeft(t);
    });

    test.serial(
      `${kind.name}: a response may come long after its payload was released, and from memory of its own`,
      async (t) => {
        const server = await kind.serve();
        const client = await kind.connect(server);
        await client.sendSingle(Buffer.alloc(20_000, 1));
        const datagram = await server.receive(soon);
        // By then it has moved out of the ring.
        await sleep(30);
        void datagram.respondSingle(datagram.payload);
        datagram.payload.release();
        t.true((await client.receive(soon)).payload.takeBytes().equals(Buffer.alloc(20_000, 1)));
        await datagram.respondSingle(Buffer.from('later'));
        t.is((await client.receive(soon)).payload.takeBytes().toString(), 'later');
        t.throws(() => datagram.respondSingle(datagram.payload), { code: 'ERR_IOURING_PAYLOAD_RELEASED' });
        t.throws(() => datagram.respondMany([datagram.payload]), { code: 'ERR_IOURING_PAYLOAD_RELEASED' });
        await server.close();
        await t.throwsAsync(datagram.respondSingle(Buffer.from('too late')), { code: 'ERR_IOURING_CLOSED' });
        await t.throwsAsync(datagram.respondMany([Buffer.from('too late')]), { code: 'ERR_IOURING_CLOSED' });
        await client.close();
        await nothingLeft(t);
      },
    );

    test.serial(`${kind.name}: what is too long is the system’s error, for each of many`, async (t) => {
      const server = await kind.serve();
      const client = await kind.connect(server, { transport: { sendBufferSize: 8192 } });
      const long = Buffer.alloc(200_000);
      await t.throwsAsync(client.sendSingle(long), { code: 'EMSGSIZE' });
      const done: number[] = [];
      const failed: number[] = [];
      const sending = client.sendMany([Buffer.from('a'), long, Buffer.from('b')], {
        onDone: (index) => done.push(index),
        onError: (error, index) => {
          t.is((error as NodeJS.ErrnoException).code, 'EMSGSIZE');
          failed.push(index);
        },
      });
      await t.throwsAsync(sending, { code: 'EMSGSIZE' });
      t.deepEqual([done.sort(), failed], [[0, 2], [1]]);
      for (const text of ['a', 'b']) t.is((await server.receive(soon)).payload.takeBytes().toString(), text);
      await client.close();
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: after close() nothing can be done, and says so`, async (t) => {
      const server = await kind.serve();
      const client = await kind.connect(server);
      const receiving = client.receive();
      const streamed = server.stream(echo);
      await Promise.all([client.close(), client.close(), server.close({ gracefulTimeout: 0 })]);
      await t.throwsAsync(receiving, { code: 'ERR_IOURING_CLOSED', message: 'The client is closed' });
      await t.throwsAsync(client.receive(), { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(client.sendSingle(Buffer.from('x')), { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(client.sendMany([Buffer.from('x')]), { code: 'ERR_IOURING_CLOSED' });
      await t.throwsAsync(server.receive(), { code: 'ERR_IOURING_CLOSED', message: 'The server is closed' });
      await streamed;
      for await (const _ of client) t.fail();
      t.deepEqual([client.active, client.localAddress, client.remoteAddress, server.address], [false, null, null, null]);
      t.is(await client.closed, null);
      await client.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: what was sent before close() arrives; what nobody asked for is dropped`, async (t) => {
      const server = await kind.serve();
      const client = await kind.connect(server);
      const sent = Array.from({ length: 20 }, (_, index) => client.sendSingle(Buffer.alloc(500, index)));
      await client.close();
      await Promise.all(sent);
      t.is(client.pending, 0);
      t.is((await server.receive(soon)).payload.takeBytes()[0], 0);
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: who does not release gets no more than the share, and the rest when it does`, async (t) => {
      const server = await kind.serve({ payloadLimit: 16 * 1024 });
      const held: Datagram[] = [];
      void server.stream((datagram) => held.push(datagram));
      const client = await kind.connect(server);
      let total = 0;
      for (let round = 0; round < 20; round++) {
        void client.sendMany(Array.from({ length: 4 }, () => Buffer.alloc(4000, 1))).catch(() => {});
        await sleep(1);
        for (const { payload } of held.splice(0)) {
          t.true(payload.bytes.every((byte) => byte === 1));
          total += payload.length;
          payload.release();
        }
      }
      while (total < 4000) {
        await sleep(5);
        for (const { payload } of held.splice(0)) {
          total += payload.length;
          payload.release();
        }
      }
      await client.close({ gracefulTimeout: 0 });
      await server.close({ gracefulTimeout: 0 });
      for (const { payload } of held) payload.release();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: a receive ends by its time-out or a signal, and the socket goes on`, async (t) => {
      const server = await kind.serve();
      void server.stream(echo);
      const client = await kind.connect(server, { readTimeout: 30 });
      const error = await t.throwsAsync(client.receive(), { instanceOf: TransportTimeoutError, code: 'ERR_IOURING_TIMEOUT' });
      t.like(error, { kind: 'read', timeout: 30 });
      await t.throwsAsync(client.receive({ timeout: 1 }), { message: 'The read time-out of 1 ms is over' });
      const controller = new AbortController();
      const receiving = client.receive({ timeout: 0, signal: controller.signal });
      controller.abort(new Error('enough'));
      await t.throwsAsync(receiving, { message: 'enough' });
      await t.throwsAsync(client.receive({ signal: controller.signal }), { message: 'enough' });
      t.true(client.active);
      await client.sendSingle(Buffer.from('still there'));
      t.is((await client.receive(soon)).payload.takeBytes().toString(), 'still there');
      await client.close();
      await server.close();
      await nothingLeft(t);
    });

    test.serial(`${kind.name}: a socket on which nothing happens ends by the idle time-out`, async (t) => {
      const server = await kind.serve({ idleTimeout: 30 });
      const streamed = server.stream(echo);
      const error = await server.closed;
      t.like(error, { code: 'ERR_IOURING_TIMEOUT', kind: 'idle', timeout: 30 });
      await t.throwsAsync(streamed, { code: 'ERR_IOURING_TIMEOUT' });
      await t.throwsAsync(server.receive(), { code: 'ERR_IOURING_TIMEOUT' });
      await nothingLeft(t);
    });
  }

  for (const options of [{}, { gso: false }, { gro: true }]) {
    test.serial(`what is to be cut arrives in parts: ${JSON.stringify(options)}`, async (t) => {
      const server = await worker.servers.udp(options);
      const client = await worker.clients.udp({ port: portOf(server), ...options });
      const bytes = randomBytes(10_050);
      await client.sendSingle(bytes, { segmentSize: 1000 });
      const parts: Datagram[] = [];
      while (parts.length < 11) parts.push(await server.receive(soon));
      t.deepEqual(
        parts.map(({ payload }) => payload.length),
        [...Array.from({ length: 10 }, () => 1000), 50],
      );
      t.true(bytes.equals(Buffer.concat(parts.map(({ payload }) => payload.bytes))));
      // Each of them holds the buffer that they share: from where they lie, after one another.
      const back = parts.map((part) => part.respondSingle(part.payload));
      for (const { payload } of parts) payload.release();
      await Promise.all(back);
      for (const length of [...Array.from({ length: 10 }, () => 1000), 50]) {
        t.is((await client.receive(soon)).payload.takeBytes().length, length);
      }
      await client.close();
      await server.close();
      await nothingLeft(t);
    });
  }

  test.serial('a payload of a stream is sent as a datagram, and the other way round', async (t) => {
    const stream = await worker.servers.tcp({}, (connection) => {
      void connection.stream((payload) => {
        void client.sendSingle(payload);
        payload.release();
      });
    });
    const server = await worker.servers.udp();
    void server.stream(echo);
    const client = await worker.clients.udp({ port: portOf(server) });
    const connection = await worker.clients.tcp({ port: (stream.address as net.AddressInfo).port });
    for (const size of [10, 5000, 30_000]) {
      const bytes = randomBytes(size);
      await connection.writeSingle(bytes);
      let got = 0;
      while (got < size) {
        const { payload } = await client.receive(soon);
        t.true(bytes.subarray(got, got + payload.length).equals(payload.bytes));
        got += payload.length;
        payload.release();
      }
    }
    const peer = [...stream.connections][0];
    await connection.writeSingle(Buffer.from('x'));
    (await client.receive(soon)).payload.release();
    for (const size of [10, 5000, 50_000]) {
      const bytes = randomBytes(size);
      await client.sendSingle(bytes);
      const { payload } = await client.receive(soon);
      void peer.writeSingle(payload);
      payload.release();
      let got = 0;
      while (got < size) {
        const part = (await connection.read())!;
        t.true(bytes.subarray(got, got + part.length).equals(part.bytes));
        got += part.length;
        part.release();
      }
    }
    await client.close();
    await server.close();
    await connection.close();
    await stream.close();
    await nothingLeft(t);
  });

  test.serial('that many fail which nobody waits for is no unhandled rejection', async (t) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', UNAWAITED], { timeout: 30_000 });
    t.deepEqual(JSON.parse(stdout), { failed: ['EMSGSIZE'], unhandled: [] });
  });

  test.serial('nobody at the port of a client: its receive hears of it, or its stream', async (t) => {
    const gone = await worker.servers.udp();
    const client = await worker.clients.udp({ port: portOf(gone) });
    await gone.close();
    const receiving = client.receive(soon);
    await client.sendSingle(Buffer.from('anybody?'));
    await t.throwsAsync(receiving, { code: 'ECONNREFUSED' });
    const heard = new Promise<Error>((resolve) => void client.stream(echo, { onError: resolve }));
    while (true) {
      await client.sendSingle(Buffer.from('still nobody?')).catch(() => {});
      const error = await Promise.race([heard, sleep(20)]);
      if (error === undefined) continue;
      t.is((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
      break;
    }
    t.true(client.active);
    await client.close();
    await nothingLeft(t);
  });

  test.serial('an error from before the stream is told to it, once', async (t) => {
    const gone = await worker.servers.udp();
    const client = await worker.clients.udp({ port: portOf(gone) });
    await gone.close();
    await client.sendSingle(Buffer.from('anybody?'));
    await sleep(100);
    const codes: unknown[] = [];
    const onError = (error: NodeJS.ErrnoException): unknown => codes.push(error.code);
    void client.stream(echo);
    t.deepEqual(codes, []);
    void client.stream(echo, { onError });
    t.deepEqual(codes, ['ECONNREFUSED']);
    void client.stream(echo, { onError });
    t.deepEqual(codes, ['ECONNREFUSED']);
    await client.close();
    await nothingLeft(t);
  });

  test.serial('more datagrams held than there are buffers: all are intact, and others go on', async (t) => {
    const server = await worker.servers.udp({ payloadLimit: 64 * 1024 * 1024 });
    const client = await worker.clients.udp({ port: portOf(server) });
    const held: Datagram[] = [];
    for (let i = 0; i < 300; i++) {
      await client.sendSingle(Buffer.alloc(2000, i));
      held.push(await server.receive(soon));
    }
    for (const [index, { payload }] of held.entries()) {
      t.true(
        payload.bytes.every((byte) => byte === index % 256),
        `${index}`,
      );
      payload.release();
    }
    await client.close();
    await server.close();
    await nothingLeft(t);
  });

  test.serial('a stale view shows nothing of what comes later', async (t) => {
    const server = await worker.servers.udp();
    const client = await worker.clients.udp({ port: portOf(server) });
    for (const size of [10, 5000]) {
      await client.sendSingle(Buffer.alloc(size, 'a'));
      const { payload } = await server.receive(soon);
      const view = payload.bytes;
      t.is(view, payload.bytes);
      payload.release();
      for (let i = 0; i < 20; i++) {
        await client.sendSingle(Buffer.alloc(size, 'b'));
        (await server.receive(soon)).payload.release();
        t.true(view.length === 0 || view.every((byte) => byte === 0));
      }
    }
    await client.close();
    await server.close();
    await nothingLeft(t);
  });

  test.serial('wrong arguments have core’s codes', async (t) => {
    const type = { code: 'ERR_INVALID_ARG_TYPE' };
    const range = { code: 'ERR_OUT_OF_RANGE' };
    await t.throwsAsync(worker.servers.udp({ port: 65536 }), { code: 'ERR_SOCKET_BAD_PORT' });
    await t.throwsAsync(worker.servers.udp({ host: 1 as never }), type);
    await t.throwsAsync(worker.servers.udp(null as never), type);
    await t.throwsAsync(worker.servers.udp({ gso: 1 as never }), type);
    await t.throwsAsync(worker.servers.udp({ timestamp: 'yes' as never }), type);
    await t.throwsAsync(worker.servers.udp({ payloadLimit: 0 }), range);
    await t.throwsAsync(worker.servers.udp({ readTimeout: -1 }), range);
    await t.throwsAsync(worker.servers.udp({ transport: { noDelay: true } as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    await t.throwsAsync(worker.servers.unixDatagram({} as never), type);
    await t.throwsAsync(worker.clients.udp({ port: 0 }), { code: 'ERR_SOCKET_BAD_PORT' });
    await t.throwsAsync(worker.clients.udp({ port: 1, localPort: -1 }), { code: 'ERR_SOCKET_BAD_PORT' });
    await t.throwsAsync(worker.clients.unixDatagram({ path: 'x', localPath: 1 as never }), type);
    const server = await worker.servers.udp();
    const client = await worker.clients.udp({ port: portOf(server) });
    t.throws(() => client.sendSingle('text' as never), type);
    t.throws(() => client.sendSingle(Buffer.alloc(1), { segmentSize: 65_536 }), range);
    t.throws(() => client.sendSingle(Buffer.alloc(1), 1 as never), type);
    t.throws(() => client.sendMany('text' as never), type);
    t.throws(() => client.sendMany([1 as never]), type);
    t.throws(() => client.sendMany([], { onDone: 1 as never }), type);
    t.throws(() => client.stream(1 as never), type);
    t.throws(() => client.stream(echo, { onError: 1 as never }), type);
    await t.throwsAsync(client.receive({ timeout: -1 }), range);
    await t.throwsAsync(client.receive({ signal: {} as never }), type);
    await t.throwsAsync(client.close({ gracefulTimeout: -1 }), range);
    await client.sendMany([]);
    await client.close();
    await server.close();
    await nothingLeft(t);
  });

  test.serial('what cannot be had is the system’s error', async (t) => {
    const taken = dgram.createSocket('udp4');
    taken.bind(0, '127.0.0.1');
    await once(taken, 'listening');
    await t.throwsAsync(worker.servers.udp({ port: taken.address().port }), { code: 'EADDRINUSE' });
    await t.throwsAsync(worker.servers.udp({ host: '192.0.2.1' }), { code: 'EADDRNOTAVAIL' });
    taken.close();
    // Core's sockets have it from Node 22.12 on.
    if (worker.backend === 'core') return;
    const one = await worker.servers.udp({ reusePort: true });
    const two = await worker.servers.udp({ reusePort: true, port: portOf(one) });
    t.deepEqual(one.address, two.address);
    await Promise.all([one.close(), two.close()]);
    await nothingLeft(t);
  });

  declareFamilies();
}
