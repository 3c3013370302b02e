// Exceptions of HTTP/2 listeners and callbacks, over sockets of ours that are given to it: whatever throws, core's native code never goes on with an exception pending, and the streams end as ever.
import { execFile } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { makeCertificates } from '../_certificates.ts';

const APP = fileURLToPath(new URL('apps/throwing.mjs', import.meta.url));
const STREAMS = ['/one', '/two', '/refused', '/aborted'];
const exec = promisify(execFile);
const { server } = makeCertificates();

/** What the program says of one event. */
interface Told {
  readonly event: string;
  /** How many exceptions were thrown. */
  readonly thrown: number;
  /** How many were uncaught. */
  readonly uncaught: number;
  /** Which stores they were seen with. */
  readonly stores: string[];
  /** What each emitter has told of, in order. */
  readonly told: Record<string, string[] | undefined>;
}

for (const transport of ['plain', 'tls']) {
  for (const when of ['at once', 'tick', 'microtask']) {
    test(`listeners of HTTP/2 that throw, ${when}, leave sessions and the process as they were, ${transport}`, async (t) => {
      t.timeout(60_000);
      const env = { ...process.env, KEY: server.key, CERT: server.cert };
      const { stdout } = await exec(process.execPath, [APP, transport, when], {
        env,
        timeout: 60_000,
      });
      const stories = stdout.trim().split('\n');
      t.is(stories.length, 34);
      let heard = 0;
      for (const story of stories) {
        const { event, thrown, uncaught, stores, told } = JSON.parse(story) as Told;
        t.is(uncaught, thrown, event);
        if (thrown > 0) heard++;
        for (const path of STREAMS) t.is(told[`client ${path}`]?.at(-1), 'close', `${event}: ${path}`);
        // Several in one chunk: an exception of the one takes nothing from the next.
        if (event === 'server stream' && when !== 'microtask') t.deepEqual(stores, ['store']);
      }
      // A few may come too late to be heard of.
      t.true(heard >= 25, `${heard} events`);
    });
  }
}
