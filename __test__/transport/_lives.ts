// How lives of workers begin and end, on whichever backend is chosen: the spec files beside choose one and call this.
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { does, thread } from './_workers.ts';

const { Transport } = await import('iouring-transport/transport');

/** Waits without a signal: for what has no event. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(2);
}

export function declareCases(): void {
  for (const workers of [0, 1]) {
    test.serial(`a start function waits for messages itself, one after the other: ${workers} workers`, async (t) => {
      const transport = new Transport({ thread, workers });
      t.teardown(() => transport.shutdown({ gracefulTimeout: 0 }));
      const values: unknown[] = [];
      transport.on('message', (value) => values.push(value));
      const started = transport.start(
        does(`const { once } = await import('node:events');
        const [first] = await once(worker, 'message');
        worker.send(0, ['first', first]);
        // Nobody listens meanwhile, and nothing is lost.
        await new Promise((resolve) => setTimeout(resolve, 50));
        const [second, from] = await once(worker, 'message');
        worker.send(0, ['second', second, from]);
        worker.on('message', (value) => worker.send(0, ['later', value]));`),
      );
      for (let i = 0; i < 4; i++) t.true(transport.send(workers, i));
      await started;
      transport.send(workers, 4);
      await until(() => values.length >= 5);
      t.deepEqual(values, [
        ['first', 0],
        ['second', 1, 0],
        ['later', 2],
        ['later', 3],
        ['later', 4],
      ]);
    });

    test.serial(`a listener that throws in the start function costs no message: ${workers} workers`, async (t) => {
      const transport = new Transport({ thread, workers });
      t.teardown(() => transport.shutdown({ gracefulTimeout: 0 }));
      const values: unknown[] = [];
      transport.on('message', (value) => values.push(value));
      // Ava has a listener of its own.
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const caught: unknown[] = [];
      process.on('uncaughtException', ({ message }) => caught.push(message));
      const started = transport.start(
        does(`if (worker.id > 0) process.on('uncaughtException', ({ message }) => worker.send(0, message));
        worker.on('message', (value) => {
          if (value % 2 === 0) throw new Error('even');
          worker.send(0, value);
        });
        await new Promise((resolve) => setTimeout(resolve, 50));`),
      );
      for (let i = 0; i < 4; i++) transport.send(workers, i);
      await started;
      await until(() => values.length + caught.length >= 4);
      process.removeAllListeners('uncaughtException');
      for (const other of others) process.on('uncaughtException', other);
      t.deepEqual([...caught, ...values].sort(), [1, 3, 'even', 'even']);
    });

    test.serial(`a shutdown does not wait for a start function that never returns: ${workers} workers`, async (t) => {
      const transport = new Transport({ thread, workers });
      const begun = once(transport, 'message');
      const closed = t.throwsAsync(transport.start(does('worker.send(0, 1); await new Promise(() => {})')), {
        code: 'ERR_IOURING_CLOSED',
      });
      await begun;
      await transport.shutdown();
      await closed;
      t.is(transport.workers[0].state, 'ended');
    });

    test.serial(`who fails to start by a shutdown has been shut down: ${workers} workers`, async (t) => {
      const transport = new Transport({ thread, workers });
      transport.on('error', () => t.fail());
      const begun = once(transport, 'message');
      const closed = t.throwsAsync(
        transport.start(
          does(`const server = await worker.servers.tcp({}, () => {});
          worker.send(0, 1);
          while (worker.active) await new Promise((resolve) => setTimeout(resolve, 5));
          await worker.servers.tcp({}, () => {});`),
        ),
        { code: 'ERR_IOURING_CLOSED' },
      );
      await begun;
      await transport.shutdown();
      await closed;
      t.is(transport.workers[0].state, 'ended');
    });

    test.serial(`what a stop function throws is a failure of the worker: ${workers} workers`, async (t) => {
      for (const how of ['throw', 'return Promise.reject(', 'setImmediate(() => { throw']) {
        if (workers === 0 && how.startsWith('setImmediate')) continue;
        const transport = new Transport({ thread, workers });
        const told: unknown[] = [];
        transport.on('error', (error, { state }) => told.push(error.id, state, (error.cause as Error).message));
        transport.on('exit', (_, code) => told.push(code));
        const error = `Object.assign(new Error('not so fast'), { code: 'SLOW' })`;
        const body =
          how === 'throw'
            ? `throw ${error}`
            : how.startsWith('return')
              ? `return Promise.reject(${error})`
              : `setImmediate(() => { throw ${error}; }); return new Promise(() => {})`;
        await transport.start(does(`return () => { ${body}; };`));
        await transport.shutdown();
        t.deepEqual(told, [1, workers, 'ended', 'not so fast'], how);
        t.is(transport.workers[0].state, 'ended');
      }
    });

    test.serial(`a stop function that never returns is not waited for without end: ${workers} workers`, async (t) => {
      const transport = new Transport({ thread, workers });
      transport.on('error', () => t.fail());
      await transport.start(does('return () => new Promise(() => {});'));
      // A thread's life ends with it, in this one somebody has to be waited for.
      const held = setInterval(() => {}, 1000);
      await transport.shutdown({ gracefulTimeout: 0 });
      clearInterval(held);
      t.is(transport.workers[0].state, 'ended');
    });
  }

  test.serial('in the calling thread a stop function that comes after the shutdown is called', async (t) => {
    const data = { goOn: (): void => {}, stops: 0, begun: (): void => {} };
    const transport = new Transport({ thread, workers: 0 });
    const begun = new Promise<void>((resolve) => (data.begun = resolve));
    const closed = t.throwsAsync(
      transport.start(
        does(`await new Promise((resolve) => { data.goOn = resolve; data.begun(); });
        return () => data.stops++;`),
        data,
      ),
      { code: 'ERR_IOURING_CLOSED' },
    );
    await begun;
    await transport.shutdown();
    await closed;
    t.is(data.stops, 0);
    data.goOn();
    await until(() => data.stops > 0);
    await sleep(5);
    t.is(data.stops, 1);
    t.is(transport.workers[0].state, 'ended');
  });

  test.serial('in the calling thread what a start function fails with after the shutdown is a warning', async (t) => {
    const data = { goOn: (_: Error): void => {}, begun: (): void => {} };
    const transport = new Transport({ thread, workers: 0 });
    const begun = new Promise<void>((resolve) => (data.begun = resolve));
    const closed = t.throwsAsync(
      transport.start(does('await new Promise((_, reject) => { data.goOn = reject; data.begun(); });'), data),
      { code: 'ERR_IOURING_CLOSED' },
    );
    await begun;
    await transport.shutdown();
    await closed;
    const warned = once(process, 'warning') as Promise<[NodeJS.ErrnoException & { detail: string }]>;
    data.goOn(new Error('too late'));
    const [warning] = await warned;
    t.is(warning.code, 'IOURING_TRANSPORT_WORKER_FAILED');
    t.regex(warning.detail, /too late/u);
  });

  test.serial('without a pause a worker that has failed is started again at once', async (t) => {
    const transport = new Transport({ thread, workers: 1, restart: { limit: 2, minBackoff: 0, maxBackoff: 0 } });
    t.teardown(() => transport.shutdown({ gracefulTimeout: 0 }));
    const told: unknown[] = [];
    transport.on('worker', ({ restarts }) => told.push(restarts)).on('error', (_, { state }) => told.push(state));
    await transport.start(does('setImmediate(() => { throw new Error("as always"); });'));
    await until(() => told.length >= 6);
    t.deepEqual(told, [0, 'waiting', 1, 'waiting', 2, 'ended']);
  });

  test.serial('who is shut down in a pause has not been started again', async (t) => {
    const transport = new Transport({ thread, workers: 1, restart: { minBackoff: 60_000, maxBackoff: 60_000 } });
    const failed = new Promise((resolve) => transport.once('error', resolve));
    await transport.start(does('setImmediate(() => { throw new Error("once"); });'));
    await failed;
    t.like(transport.workers[0], { state: 'waiting', restarts: 0 });
    await transport.shutdown();
    t.like(transport.workers[0], { state: 'ended', restarts: 0 });
  });

  test.serial('the longest time for a shutdown is not taken for none', async (t) => {
    const transport = new Transport({ thread, workers: 1 });
    await transport.start(does('return () => new Promise((resolve) => setTimeout(resolve, 50));'));
    const codes: number[] = [];
    transport.on('exit', (_, code) => codes.push(code));
    await transport.shutdown({ gracefulTimeout: 2 ** 31 - 1 });
    t.deepEqual(codes, [0]);
  });
}
