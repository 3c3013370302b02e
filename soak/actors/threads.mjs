/** Worker threads with connections, datagrams and files of their own, ended at any moment: by themselves, by `process.exit`, or from outside. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

export async function threads(world, random) {
  const { ledger } = world;
  const wasShort = world.watchForShortage();
  await Promise.all(
    Array.from({ length: random.from(1, 3) }, async () => {
      const end = world.gentle ? 'done' : random.pick(['done', 'exit', 'terminate', 'throw']);
      const seed = random.from(0, 0xffff_ffff);
      const delay = random.from(0, 500);
      const worker = new Worker(new URL('../thread.mjs', import.meta.url), {
        workerData: { seed, end, delay, folder: world.folder, shortages: world.shortages },
        stderr: end === 'throw',
      });
      const left = new Promise((resolve) => worker.on('exit', resolve));
      worker.on('error', (error) =>
        ledger.check(
          wasShort() || (end === 'throw' && error.message === 'thrown by the soak'),
          'a worker throws nothing of ours',
          error,
        ),
      );
      worker.on('message', ({ passed = 0, failures = [] }) => {
        ledger.passed += passed;
        for (const failure of failures) ledger.check(false, `worker of seed ${seed}`, failure);
      });
      if (end === 'terminate') {
        // Not while it is being loaded: a module that core's loader is just opening stays open for good then.
        // What is wrong has been judged above.
        await Promise.race([once(worker, 'message').catch(() => {}), left]);
        await sleep(delay);
        await worker.terminate();
      }
      await left;
      ledger.count(`workers ended by ${end}`);
    }),
  );
}
