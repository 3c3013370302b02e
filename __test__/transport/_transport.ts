// What a transport and its workers do, on whichever backend is chosen: the spec files beside choose one and call this.
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { TransportOptions, WorkerInfo } from 'iouring-transport/transport';
import { descriptors, does, thread, untilClosed } from './_workers.ts';

const { Transport, worker } = await import('iouring-transport/transport');
const { IouringError } = await import('iouring-transport');
type Transport = InstanceType<typeof Transport>;

/** Tells the transport of its port, and each client who it is, as long as nobody says `die`. */
const SERVES = `
  const server = await worker.servers.tcp({ port: data?.port ?? 0 }, (connection) => {
    connection.writeSingle(Buffer.from(worker.id + ';'));
    connection.stream((payload) => {
      const text = payload.takeBytes().toString();
      if (text === 'die') process.nextTick(() => { throw Object.assign(new Error('I was told to'), { code: 'TOLD' }); });
      else if (text === 'exit') process.exit(0);
      else connection.writeSingle(Buffer.from(text));
    });
  });
  worker.send(0, server.address.port);`;

/** Starts a module and waits for a message of each worker. */
async function serve(t: ExecutionContext, options: TransportOptions, body = SERVES, data?: unknown) {
  const transport = new Transport({ thread, ...options });
  t.teardown(() => transport.shutdown({ gracefulTimeout: 0 }));
  const values: unknown[] = [];
  transport.on('message', (value) => values.push(value));
  await transport.start(does(body), data);
  while (values.length < transport.workers.length) await once(transport, 'message');
  return { transport, values };
}

/** What a server at this port says first. */
async function ask(port: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString();
}

/** Has the worker behind a port do something that ends its thread. @returns its number */
async function tell(port: number, what: 'die' | 'exit'): Promise<number> {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.write(what);
  socket.resume();
  await closed;
  return Number.parseInt(answer.toString(), 10);
}

export function declareCases(): void {
  test.serial('workers share the port that is free, and the connections', async (t) => {
    const { transport, values } = await serve(t, { workers: 2 });
    t.is(new Set(values).size, 1);
    t.deepEqual(
      transport.workers.map(({ id, state, restarts }) => [id, state, restarts]),
      transport.workers.map((_, index) => [index + 1, 'running', 0]),
    );
    const answers = await Promise.all(Array.from({ length: 64 }, () => ask(values[0] as number)));
    t.is(new Set(answers).size, transport.workers.length);
    await transport.shutdown();
  });

  test.serial('workers share the UDP port that is free, and the senders', async (t) => {
    for (const host of ['127.0.0.1', '0.0.0.0', '::1']) {
      const { transport, values } = await serve(
        t,
        { workers: 2 },
        `for (const protocol of ['first', 'second']) {
          const server = await worker.servers.udp({ host: data });
          server.stream((datagram) => {
            datagram.payload.release();
            datagram.respondSingle(Buffer.from(worker.id + protocol));
          });
          worker.send(0, server.address.port);
        }`,
        host,
      );
      while (values.length < 2 * transport.workers.length) await once(transport, 'message');
      t.is(new Set(values).size, 2);
      // As many senders as it takes until each worker has had one, and none goes unanswered.
      const workersOf = async (port: number): Promise<Set<string>> => {
        const answers = await Promise.all(
          Array.from({ length: 64 }, async () => {
            await using client = await worker.clients.udp({ port, host: host === '0.0.0.0' ? '127.0.0.1' : host });
            void client.sendSingle(Buffer.from('x'));
            return (await client.receive({ timeout: 20_000 })).payload.takeBytes().toString();
          }),
        );
        return new Set(answers);
      };
      for (const port of new Set(values)) t.is((await workersOf(port as number)).size, transport.workers.length);
      await transport.shutdown();
    }
  });

  test.serial(
    'a shutdown lets what was written arrive, ends the threads, and is one however often it is asked for',
    async (t) => {
      const before = descriptors();
      const { transport, values } = await serve(t, { workers: 2 });
      const codes: number[] = [];
      transport.on('exit', (_, code) => codes.push(code));
      const texts: Promise<string>[] = [];
      const accepted = Array.from({ length: 8 }, () => {
        const socket = net.connect(values[0] as number, '127.0.0.1');
        const parts: Buffer[] = [];
        socket.on('data', (part) => parts.push(part));
        texts.push(once(socket, 'end').then(() => Buffer.concat(parts).toString()));
        return once(socket, 'data');
      });
      await Promise.all(accepted);
      const ended = transport.shutdown({ gracefulTimeout: 20_000 });
      t.is(transport.shutdown({ gracefulTimeout: 0 }), ended);
      t.true((await Promise.all(texts)).every((text) => /^\d;$/u.test(text)));
      await ended;
      t.deepEqual(
        codes,
        transport.workers.map(() => 0),
      );
      t.false(transport.active);
      t.true(transport.workers.every(({ state, threadId }) => state === 'ended' && threadId === -1));
      await t.throwsAsync(transport.start(does('')), { code: 'ERR_IOURING_CLOSED' });
      await untilClosed(t, before);
    },
  );

  test.serial('messages go to a worker, to another, and back, with what is transferred', async (t) => {
    const { transport } = await serve(
      t,
      { workers: 2 },
      `worker.on('message', ({ route: [to, ...route], via, bytes }, from) =>
        worker.send(to, { route, via: [...via, from], bytes }, [bytes]));
      worker.send(0, 'ready');`,
    );
    const last = transport.workers.length;
    const bytes = new Uint8Array([1, 2, 3]).buffer;
    const answered = once(transport, 'message');
    t.true(transport.send(1, { route: [last, 0], via: [], bytes }, [bytes]));
    t.is(bytes.byteLength, 0);
    const [value, from] = (await answered) as [{ via: number[]; bytes: ArrayBuffer }, number];
    t.deepEqual([value.via, [...new Uint8Array(value.bytes)], from], [[0, 1], [1, 2, 3], last]);
    t.throws(() => transport.send(0, ''), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(() => transport.send(3, ''), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(() => transport.send(1, () => {}), { any: true, name: 'DataCloneError' });
    await transport.shutdown();
    t.false(transport.send(1, ''));
  });

  for (const workers of [0, 1]) {
    test.serial(`messages to a worker that is still starting come when it has started: ${workers} workers`, async (t) => {
      const transport = new Transport({ thread, workers, restart: { minBackoff: 1 } });
      t.teardown(() => transport.shutdown({ gracefulTimeout: 0 }));
      const values: unknown[] = [];
      transport.on('message', (value) => values.push(value)).on('error', () => {});
      const id = workers;
      const send = (): void => {
        for (let i = 0; i < 3; i++) t.true(transport.send(id, i));
      };
      // Its loop runs meanwhile, so that what comes is heard.
      const started = transport.start(
        does(`worker.send(0, 'starting');
        await new Promise((resolve) => setTimeout(resolve, 300));
        worker.on('message', (value) => {
          if (value === 'die') throw new Error('I was told to');
          worker.send(0, value);
        });`),
      );
      send();
      await started;
      while (values.length < 4) await once(transport, 'message');
      if (workers > 0) {
        // Likewise in another life.
        transport.send(id, 'die');
        while (values.length < 5) await sleep(5);
        send();
        while (values.length < 8) await sleep(5);
      }
      t.deepEqual(values, workers > 0 ? ['starting', 0, 1, 2, 'starting', 0, 1, 2] : ['starting', 0, 1, 2]);
      await transport.shutdown();
    });
  }

  const broken: readonly (readonly [string, string, object])[] = [
    [
      'that throws',
      'data:text/javascript,throw Object.assign(new TypeError("no"), { code: "NO" })',
      { name: 'TypeError', code: 'NO' },
    ],
    ['that throws what cannot be cloned', 'data:text/javascript,throw { fails() {} }', { message: /fails/u }],
    ['that is not there', 'no/such/module.mjs', { code: 'ERR_MODULE_NOT_FOUND' }],
    ['without a function', 'data:text/javascript,export default 1', { code: 'ERR_INVALID_ARG_VALUE' }],
    ['whose function rejects', does('throw new RangeError("not today")'), { name: 'RangeError' }],
  ];
  for (const workers of [0, 2]) {
    for (const [which, module, cause] of broken) {
      test.serial(`a module ${which} is an error of start(), and not tried again: ${workers} workers`, async (t) => {
        const before = descriptors();
        const transport = new Transport({ thread, workers, restart: { minBackoff: 0, maxBackoff: 0 } });
        let ends = 0;
        transport.on('exit', () => ends++).on('worker', () => t.fail());
        const error = await t.throwsAsync(transport.start(module), { code: 'ERR_IOURING_WORKER', name: 'TransportWorkerError' });
        t.true(error instanceof IouringError);
        t.like(error, { exitCode: 1 });
        const { message, ...properties } = cause as { message?: RegExp };
        if (message === undefined) t.like(error.cause, properties);
        else if (workers > 0) t.regex((error.cause as Error).message, message);
        t.is(ends, transport.workers.length);
        t.true(transport.workers.every(({ state }) => state === 'ended'));
        await untilClosed(t, before);
      });
    }
  }

  test.serial('data that cannot be cloned is an error of start()', async (t) => {
    const transport = new Transport({ thread, workers: 1 });
    const error = await t.throwsAsync(
      transport.start(does(''), () => {}),
      { code: 'ERR_IOURING_WORKER' },
    );
    t.like(error.cause, { name: 'DataCloneError' });
    t.like(error, { id: 1, exitCode: undefined });
  });

  test.serial('a worker that dies with connections open is started again, at the same port', async (t) => {
    const before = descriptors();
    const { transport, values } = await serve(t, { workers: 2, restart: { minBackoff: 1 } });
    const port = values[0] as number;
    const errors: [unknown, WorkerInfo][] = [];
    transport.on('error', (...args) => errors.push(args));
    const exited = new Promise<number>((resolve) => transport.once('exit', (_, code) => resolve(code)));
    const again = new Promise<WorkerInfo>((resolve) => transport.once('worker', resolve));
    const id = await tell(port, 'die');
    t.is(await exited, 1);
    const worker = await again;
    t.like(worker, { id, state: 'running', restarts: 1 });
    t.is(errors.length, 1);
    const [error, whose] = errors[0] as [Error, WorkerInfo];
    t.like(error, { code: 'ERR_IOURING_WORKER', id, exitCode: 1 });
    t.like(error.cause, { message: 'I was told to', code: 'TOLD' });
    t.is(whose, worker);
    const answers = await Promise.all(Array.from({ length: 64 }, () => ask(port)));
    t.is(new Set(answers).size, transport.workers.length);
    await transport.shutdown();
    await untilClosed(t, before);
  });

  test.serial('who fails again and again is given up; without a listener that is an uncaught exception', async (t) => {
    const transport = new Transport({ thread, workers: 1, restart: { limit: 3, minBackoff: 1, maxBackoff: 2 } });
    const states: string[] = [];
    const warnings: NodeJS.ErrnoException[] = [];
    const warned = (warning: NodeJS.ErrnoException): void => void warnings.push(warning);
    process.on('warning', warned);
    transport.on('exit', () => states.push('exit')).on('worker', ({ restarts }) => states.push(`${restarts}`));
    await transport.start(does('setImmediate(() => { throw new Error("as always"); })'));
    // Ava has a listener of its own.
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const [error] = (await once(process, 'uncaughtException')) as [Error];
    for (const other of others) process.on('uncaughtException', other);
    t.like(error, { code: 'ERR_IOURING_WORKER' });
    t.like(error.cause, { message: 'as always' });
    t.deepEqual(states, ['0', 'exit', '1', 'exit', '2', 'exit', '3', 'exit']);
    t.like(transport.workers[0], { state: 'ended', restarts: 3, threadId: -1 });
    await transport.shutdown();
    process.off('warning', warned);
    const told = warnings.filter(({ code }) => code === 'IOURING_TRANSPORT_WORKER_FAILED');
    t.is(told.length, 3);
  });

  test.serial('who ends itself with 0 has done its work, and is not started again', async (t) => {
    const { transport, values } = await serve(t, { workers: 1, restart: { minBackoff: 0 } });
    transport.on('error', () => t.fail()).on('worker', () => t.fail());
    const exited = once(transport, 'exit');
    await tell(values[0] as number, 'exit');
    t.is((await exited)[1], 0);
    t.is(transport.workers[0].state, 'ended');
    await transport.shutdown();
  });

  test.serial('a shutdown ends who waits to be started again, who is starting, and who hangs', async (t) => {
    const dying = await serve(t, { workers: 1, restart: { minBackoff: 60_000, maxBackoff: 60_000 } });
    dying.transport.on('error', () => {});
    const exited = new Promise((resolve) => dying.transport.once('exit', resolve));
    await tell(dying.values[0] as number, 'die');
    await exited;
    t.is(dying.transport.workers[0].state, 'waiting');
    await dying.transport.shutdown();
    t.is(dying.transport.workers[0].state, 'ended');

    const starting = new Transport({ thread, workers: 2 });
    const started = starting.start(does('worker.send(0, 1); await new Promise(() => {})'));
    const closed = t.throwsAsync(started, { code: 'ERR_IOURING_CLOSED' });
    await once(starting, 'message');
    await starting.shutdown();
    await closed;

    const { transport } = await serve(t, { workers: 1 }, 'worker.send(0, 1); setImmediate(() => { for (;;); })');
    await transport.shutdown({ gracefulTimeout: 0 });
    t.is(transport.workers[0].state, 'ended');
  });

  test.serial('what the module returns is called when all is closed, and waited for', async (t) => {
    for (const workers of [0, 1]) {
      const transport = new Transport({ thread, workers });
      const messages: unknown[] = [];
      transport.on('message', (value) => messages.push(value));
      await transport.start(
        does(`const server = await worker.servers.tcp({}, () => {});
        return async () => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          worker.send(0, [worker.active, server.active]);
        };`),
      );
      await transport.shutdown();
      // In the calling thread it comes with the next turn.
      while (messages.length === 0) await once(transport, 'message');
      t.deepEqual(messages, [[false, false]]);
    }
  });

  test.serial('without workers the module runs in the calling thread', async (t) => {
    const data = { calls: 0 };
    const transport = new Transport({ thread, workers: 0 });
    const got = once(transport, 'message');
    await transport.start(
      does(`data.calls++;
      worker.on('message', (value, from) => worker.send(0, [value, from, worker.id, worker.workers]));`),
      data,
    );
    t.is(data.calls, 1);
    t.deepEqual(
      transport.workers.map(({ id, state }) => [id, state]),
      [[0, 'running']],
    );
    t.true(transport.send(0, 'hello'));
    t.deepEqual(await got, [['hello', 0, 0, 0], 0]);
    t.throws(() => transport.send(1, ''), { code: 'ERR_OUT_OF_RANGE' });
    await transport.shutdown();
  });

  test.serial('the worker of a thread is the one that its module is called with', async (t) => {
    const url = import.meta.resolve('iouring-transport/transport');
    const { values } = await serve(
      t,
      { workers: 1 },
      `const transport = await import(data); worker.send(0, transport.worker === worker && worker.workers === 1);`,
      url,
    );
    t.deepEqual(values, [true]);
    t.throws(() => worker.send(0, ''), { code: 'ERR_INVALID_STATE' });
  });

  test.serial('what is no argument is an error of core', async (t) => {
    const make = (options: unknown) => () => new Transport(options as TransportOptions);
    t.throws(make(null), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const workers of [-1, 1025, 0.5, NaN]) t.throws(make({ workers }), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(make({ workers: '2' }), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(make({ reactor: { colour: 1 } }), { code: 'ERR_INVALID_ARG_VALUE' });
    t.throws(make({ reactor: { receiveBuffers: 9 } }), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(make({ thread: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(make({ restart: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const name of ['limit', 'minBackoff', 'maxBackoff', 'resetAfter']) {
      t.throws(make({ restart: { [name]: -1 } }), { code: 'ERR_OUT_OF_RANGE' });
      t.throws(make({ restart: { [name]: 'x' } }), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    const transport = new Transport({ thread, workers: 1 });
    t.false(transport.active);
    t.false(transport.send(1, ''));
    await t.throwsAsync(transport.start(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await transport.start(does(''));
    await t.throwsAsync(transport.start(does('')), { code: 'ERR_INVALID_STATE' });
    t.throws(() => transport.shutdown({ gracefulTimeout: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    t.true(transport.active);
    await transport[Symbol.asyncDispose]();
    await new Transport().shutdown();
  });
}
