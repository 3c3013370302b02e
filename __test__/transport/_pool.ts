// Pools of connections, on whichever backend is chosen.
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import type { ClientPoolOptions, Connection } from 'iouring-transport/transport';

const { ClientPool, worker } = await import('iouring-transport/transport');

const portOf = (server: { address: unknown }): number => (server.address as net.AddressInfo).port;
const quick: ClientPoolOptions = { minBackoff: 1, maxBackoff: 10 };

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

/** A server that echoes, and a pool of connections to it. */
async function pooled(options: ClientPoolOptions = {}, port = 0) {
  const server = await worker.servers.tcp({ port }, (connection) => {
    void connection.stream((payload) => {
      void connection.writeSingle(payload);
      payload.release();
    });
  });
  const where = { port: portOf(server) };
  const pool = new ClientPool((signal) => worker.clients.tcp({ ...where, signal }), { ...quick, ...options });
  return { server, pool, where };
}

async function ask(connection: Connection, text: string): Promise<string> {
  await connection.writeSingle(Buffer.from(text));
  return (await connection.read())!.takeBytes().toString();
}

export function declarePools(): void {
  test('round-robin gives each connection in turn', async (t) => {
    const { server, pool } = await pooled({ size: 3 });
    t.is(pool.size, 3);
    t.throws(() => pool.select(), { code: 'ERR_IOURING_NO_CONNECTION' });
    await pool.ready();
    await until(() => pool.count === 3);
    const [a, b, c] = [pool.select(), pool.select(), pool.select()];
    t.is(new Set([a, b, c]).size, 3);
    t.deepEqual(
      [pool.select(), pool.select(), pool.select()].map((one) => [a, b, c].indexOf(one)),
      [0, 1, 2],
    );
    const all: Connection[] = [];
    pool.forEach((connection) => all.push(connection));
    t.is(all.length, 3);
    await pool.close();
    t.is(pool.count, 0);
    t.throws(() => pool.select(), { code: 'ERR_IOURING_CLOSED' });
    await server.close();
  });

  test('least-pending gives those that nobody uses', async (t) => {
    const { server, pool } = await pooled({ size: 4, policy: 'least-pending' });
    await until(() => pool.count === 4);
    const used = new Set<Connection>();
    const work = Array.from({ length: 4 }, (_, index) =>
      pool.use(async (connection) => {
        used.add(connection);
        return ask(connection, `question ${index}`);
      }),
    );
    t.deepEqual(await Promise.all(work), ['question 0', 'question 1', 'question 2', 'question 3']);
    t.is(used.size, 4);
    await pool.close();
    await server.close();
  });

  test('a connection that breaks is not handed out, and replaced', async (t) => {
    const { server, pool } = await pooled({ size: 2 });
    await until(() => pool.count === 2);
    const broken = pool.select();
    broken.reset();
    t.is(pool.count, 1);
    for (let i = 0; i < 4; i++) t.not(pool.select(), broken);
    await until(() => pool.count === 2);
    for (let i = 0; i < 4; i++) t.not(pool.select(), broken);
    await pool.close();
    await server.close();
  });

  test('a server that goes away and comes back is found again', async (t) => {
    const { server, pool, where } = await pooled({ size: 3 });
    await until(() => pool.count === 3);
    await server.close({ gracefulTimeout: 0 });
    await until(() => pool.count === 0);
    await until(() => {
      try {
        pool.select();
        return false;
      } catch (error) {
        return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED';
      }
    });
    const again = await worker.servers.tcp(where, () => {});
    await pool.ready();
    await until(() => pool.count === 3);
    await pool.close({ gracefulTimeout: 0 });
    await again.close({ gracefulTimeout: 0 });
    t.pass();
  });

  test('what fails its health check is not handed out', async (t) => {
    let healthy = false;
    let asked = 0;
    const healthCheck = () => {
      asked++;
      return healthy;
    };
    const { server, pool } = await pooled({ size: 1, healthCheck, healthInterval: 5 });
    await until(() => asked > 3);
    t.is(pool.count, 0);
    healthy = true;
    await pool.ready();
    const first = pool.select();
    healthy = false;
    t.not(await first.closed.then(() => pool.count), 1);
    await pool.close();
    await server.close();
  });

  test('drain() waits for what is under way, ready() can be given up', async (t) => {
    const { server, pool } = await pooled({ size: 1 });
    await pool.ready();
    let finish!: () => void;
    const use = pool.use(() => new Promise<void>((resolve) => (finish = resolve)));
    let drained = false;
    const draining = pool.drain().then(() => (drained = true));
    await sleep(5);
    t.false(drained);
    await t.throwsAsync(
      pool.use(() => {}),
      { code: 'ERR_IOURING_CLOSED' },
    );
    finish();
    await Promise.all([use, draining]);
    await pool.close();
    await t.throwsAsync(pool.ready(), { code: 'ERR_IOURING_CLOSED' });

    const nowhere = new ClientPool(() => Promise.reject(new Error('never')), quick);
    await t.throwsAsync(nowhere.ready({ signal: AbortSignal.abort(new Error('no')) }), { message: 'no' });
    const waiting = nowhere.ready();
    await nowhere.close();
    await t.throwsAsync(waiting, { code: 'ERR_IOURING_CLOSED' });
    await server.close();
  });

  test('whatever breaks and is asked for, what is handed out is open, and the pool fills up again', async (t) => {
    const { server, pool } = await pooled({ size: 5 });
    const step = fc.constantFrom('break', 'select', 'use', 'end', 'wait');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await pool.ready();
        for (const what of steps) {
          if (what === 'wait') await sleep(1);
          else if (pool.count === 0) t.throws(() => pool.select(), { code: 'ERR_IOURING_NO_CONNECTION' });
          else if (what === 'use') await pool.use((connection) => t.true(connection.active));
          else {
            const connection = pool.select();
            t.true(connection.active);
            if (what === 'break') connection.reset();
            else if (what === 'end') void connection.close();
            if (what !== 'select') t.false(connection.active);
          }
        }
        await until(() => pool.count === 5);
        const all = new Set(Array.from({ length: 5 }, () => pool.select()));
        t.is(all.size, 5);
      }),
      { numRuns: 25 },
    );
    await pool.close();
    await server.close();
  });

  test('wrong arguments have core’s codes', (t) => {
    const never = (): Promise<Connection> => new Promise(() => {});
    t.throws(() => new ClientPool(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => new ClientPool(never, { size: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(() => new ClientPool(never, { policy: 'best' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    t.throws(() => new ClientPool(never, { minBackoff: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(() => new ClientPool(never, { healthCheck: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
}
