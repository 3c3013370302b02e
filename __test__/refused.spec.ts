// io_uring refused for real: child processes under a seccomp filter.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { needs } from './_needs.ts';
import { refuse, refusing } from './_refuse.ts';

type Mode = 'setup' | 'enter' | 'register' | 'hidden';

/** Evaluates a module under a filter and returns what it printed, as JSON where it is. */
function under(mode: Mode, script: string, environment: Record<string, string> = {}) {
  const { IOURING_TRANSPORT: _, ...inherited } = process.env;
  const { stdout, stderr, error } = spawnSync(refuse, [mode, process.execPath, '--input-type=module', '--eval', script], {
    env: { ...inherited, ...environment },
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (error !== undefined) throw error;
  return { stdout, stderr };
}

/** libuv of Node 22 and newer has a ring of its own, and ends the process where it can be set up and not entered. */
const nodeSurvives = (mode: Mode) => spawnSync(refuse, [mode, process.execPath, '--eval', '0']).status === 0;

const refusals: Array<[Mode, string, number]> = [
  ['setup', 'ERR_IOURING_REFUSED_SECCOMP', -1],
  ['enter', 'ERR_IOURING_ENTER_REFUSED', -1],
  ['register', 'ERR_IOURING_ENTER_REFUSED', -1],
  ['hidden', 'ERR_IOURING_NO_SYSCALL', -38],
];

for (const [mode, reason, errno] of refusals) {
  if (mode === 'enter' && !nodeSurvives(mode)) {
    needs('a Node that does not abort by itself there', false)('enter', () => {});
    continue;
  }

  refusing(`${mode}: support() says why`, (t) => {
    const { stdout, stderr } = under(
      mode,
      `import { support } from 'iouring-transport'; process.stdout.write(JSON.stringify(support()));`,
    );
    t.like(JSON.parse(stdout), { available: false, backend: 'core', reason, errno, features: {} });
    t.is(stderr, '', 'asking is no reason for a warning');
  });

  refusing(`${mode}: net runs on core after one warning`, (t) => {
    const { stdout, stderr } = under(
      mode,
      `import net from 'iouring-transport/net';
       import { createRequire } from 'node:module';
       createRequire(import.meta.url)('iouring-transport/net');
       const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
         const client = net.connect(server.address().port, '127.0.0.1');
         client.end('over core').pipe(process.stdout);
         client.on('close', () => server.close());
       });`,
    );
    t.is(stdout, 'over core');
    t.is(stderr.split('[IOURING_TRANSPORT_FALLBACK]').length - 1, 1, stderr);
    t.regex(stderr, new RegExp(reason));
  });

  refusing(`${mode}: IOURING_TRANSPORT=uring makes it an error`, (t) => {
    const { stdout } = under(
      mode,
      `try { await import('iouring-transport/net') } catch ({ name, code, reason, errno }) {
         process.stdout.write(JSON.stringify({ name, code, reason, errno }));
       }`,
      { IOURING_TRANSPORT: 'uring' },
    );
    t.deepEqual(JSON.parse(stdout), { name: 'IouringUnavailableError', code: 'ERR_IOURING_UNAVAILABLE', reason, errno });
  });
}

refusing('IOURING_TRANSPORT=core neither tries nor warns', (t) => {
  const { stdout, stderr } = under('setup', `import 'iouring-transport/net'; process.stdout.write('fine');`, {
    IOURING_TRANSPORT: 'core',
  });
  t.is(stdout, 'fine');
  t.is(stderr, '');
});
