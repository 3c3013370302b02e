// A listening socket that processes hand down to each other: whoever stops listening, no connection is lost. What the kernel has accepted for a process
// when it closes its server is told of there; what it has not waits for the next.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import core from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { needs } from '../_needs.ts';

const APP = fileURLToPath(new URL('apps/handed-down.mjs', import.meta.url));
const CLIENTS = 5;

/** A socket that is bound and that nobody listens on. */
interface Bound {
  readonly fd: number;
  getsockname?(result: object): void;
  close(): void;
}
const { _createServerHandle: bind } = core as unknown as {
  _createServerHandle(address: string, port: number, family: number): Bound;
};

/** A process that listens on the socket, and what it says, line by line. */
async function listener(socket: Bound, name: string, count: number): Promise<{ child: ChildProcess; said: string[] }> {
  const child = spawn(process.execPath, [APP, name, String(count)], { stdio: ['ignore', 'pipe', 'inherit', socket.fd] });
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout! }).on('line', (line) => said.push(line));
  await once(lines, 'line');
  return { child, said };
}

/** Connects; resolves to the connection, and to all that has come by its end or the code of its error. */
async function ask(target: core.NetConnectOpts): Promise<{ answer: Promise<string> }> {
  const client = core.connect(target).setEncoding('utf8');
  let text = '';
  const answer = new Promise<string>((resolve) => {
    client.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code!));
    client.on('data', (part: string) => (text += part)).on('close', () => resolve(text));
  });
  await once(client, 'connect');
  return { answer };
}

const supported = needs('Linux', process.platform === 'linux', test);

for (const kind of ['TCP', 'UNIX'] as const) {
  for (const count of [1, 2]) {
    supported(`over ${kind}, handed down at connection ${count}`, async (t) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'handed-'));
      t.teardown(() => rmSync(folder, { recursive: true }));
      const socket = kind === 'TCP' ? bind('127.0.0.1', 0, 4) : bind(path.join(folder, 's'), -1, -1);
      t.teardown(() => socket.close());
      const name: { port?: number } = {};
      socket.getsockname?.(name);
      const target = kind === 'TCP' ? { port: name.port!, host: '127.0.0.1' } : { path: path.join(folder, 's') };

      const { child, said } = await listener(socket, 'first', count);
      // All of them wait when it goes on.
      child.kill('SIGSTOP');
      const asked: { answer: Promise<string> }[] = [];
      for (let n = 0; n < CLIENTS; n++) asked.push(await ask(target));
      const ended = once(child, 'close');
      child.kill('SIGCONT');
      await ended;
      const served = said.filter((word) => word === 'connection').length;
      t.deepEqual(said, ['listening', ...new Array<string>(served).fill('connection'), 'close']);
      t.true(served >= count);

      const next = served < CLIENTS ? await listener(socket, 'second', CLIENTS - served) : undefined;
      const answers = await Promise.all(asked.map(({ answer }) => answer));
      t.deepEqual(answers.toSorted(), [
        ...new Array<string>(served).fill('first'),
        ...new Array<string>(CLIENTS - served).fill('second'),
      ]);
      if (next !== undefined && next.child.exitCode === null) await once(next.child, 'close');
    });
  }
}
