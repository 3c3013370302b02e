// Every example runs, ends by itself and says what it should.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import test from 'ava';
import { support } from 'iouring-transport';
import { needs } from './_needs.ts';

const run = promisify(execFile);

const SAYS: Readonly<Record<string, RegExp>> = {
  'durable-log.mjs': /order 3 is on the disk.*read back 3 orders/su,
  'echo.mjs': /echoed: hello from client 3.*server closed/su,
  'health.mjs': /all closed: \{ handles: 0, operations: 0, buffersLent: 0 \}/u,
  'http-fastify.mjs': /\{"hello":"ring"\}.*\{"sum":6\}.*400.*server closed/su,
  'metrics-opentelemetry.mjs': /received 10 bytes.*iouring\.submissions [1-9].*iouring\.io 10 receive/su,
  'metrics-prometheus.mjs': /scrape 1:.*iouring_submissions_total [1-9].*iouring_dispatch_seconds\{quantile="0\.99"\} 0\.\d/su,
  'static-files.mjs': /4194304 bytes, intact.*206, 304 bytes.*404/su,
  'transport-echo.mjs': /echoed: hello over TCP\nechoed: hello over a path\nservers closed/u,
  'transport-file-copy.mjs': /(\d+) of \1 bytes copied, and on the disk\nboth are the same/u,
  'transport-proxy.mjs': /16777216 bytes went through and back, intact\nbuffers held: 0/u,
  'transport-rpc.mjs': /100 answers, the last: QUESTION 99\nNo answer to "why\?" within 50 ms\nall closed/u,
  'transport-workers.mjs':
    /32 answers, such as: hello from worker \d\nWorker \d has ended with code 1: it is started again\nworker running again, after 1 restart: hello/u,
  'udp-echo.mjs': /echoed: hello from client 1\nechoed: hello from client 2\nechoed: hello from client 3\nserver closed/u,
  'udp-segments.mjs': /the server has got 100 datagrams\nthe server has got 100000 bytes\ndropped for want of room: 0/u,
  'unix-datagram-echo.mjs': /from process of ours.*echoed: one\n.*echoed: two\n.*echoed: three\nserver closed/su,
  'udp-batches.mjs': /sent 100 datagrams, 0 failed\nreceived \d+, dropped \d+/u,
  'unix-descriptors.mjs': /no such file: shadow.*Everything is a file/su,
  'workers.mjs': /64 connections served by \d of \d threads\nthreads ended with 0 and 0/u,
};
/** A warning goes to standard error, which is to be empty; one of something deprecated ends the program. */
const STRICT = ['--trace-warnings', '--pending-deprecation', '--throw-deprecation'];
// On core some of them only say that they cannot show what they are about.
const ringOnly = needs('io_uring', support().backend === 'uring', test);

test('each has a line here', (t) => {
  const there = readdirSync('examples').filter((name) => name.endsWith('.mjs'));
  t.deepEqual(there.sort(), Object.keys(SAYS).sort());
});

for (const [name, says] of Object.entries(SAYS)) {
  ringOnly(name, async (t) => {
    const { stdout, stderr } = await run(process.execPath, [...STRICT, path.join('examples', name)], { timeout: 60_000 });
    t.regex(stdout, says);
    t.is(stderr, '');
  });
}
