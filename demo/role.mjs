/** The end of a peer in its own process. */
import process from 'node:process';

/** Tells that this process is ready, then answers questions with `tasks[question.task]` until the demo lets go of it. */
export function serve(ready, tasks) {
  process.on('message', async (question) => {
    try {
      process.send({ answer: await tasks[question.task](question) });
    } catch (error) {
      process.send({ error: `${question.task}: ${error.message}` });
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send({ answer: ready });
}

/** Reports progress of the question being answered. */
export const report = (progress) => process.send({ progress });

/** CPU time of all threads of this process so far, in microseconds. */
export function cpuMicros() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The module to show: `node:net` or the same interface on io_uring. */
export async function importNet(name) {
  const module = await import(name);
  return module.default ?? module;
}
