/**
 * The process that is sent sockets and servers, and sends some.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

const APP = fileURLToPath(new URL('apps/receiver.mjs', import.meta.url));

/** Starts one, which works with `module`; it does not outlive the test. */
export async function child(t: ExecutionContext, module = 'node:net', execArgv: string[] = []): Promise<ChildProcess> {
  const started = fork(APP, [module], { execArgv });
  t.teardown(async () => {
    if (started.exitCode !== null || started.signalCode !== null) return;
    const gone = once(started, 'exit');
    started.kill('SIGKILL');
    await gone;
  });
  await once(started, 'message');
  return started;
}

/** Ends it, and with it what it has open. */
export async function end(started: ChildProcess): Promise<void> {
  const gone = once(started, 'exit');
  started.disconnect();
  started.kill('SIGKILL');
  await gone;
}
