// Exceptions of listeners over TLS, over sockets of ours that are given to it: core's native code must never go on with one pending, which ends in a failed assertion.
import { execFile } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { makeCertificates } from '../_certificates.ts';

const APP = fileURLToPath(new URL('apps/throwing.mjs', import.meta.url));
const exec = promisify(execFile);
const { server } = makeCertificates();

/** What is received, and how many exceptions there are at least. */
const EXPECTED = { tls: { received: 25, thrown: 30 }, https: { received: 5, thrown: 10 } };

for (const [kind, { received, thrown }] of Object.entries(EXPECTED)) {
  for (const when of ['at once', 'tick']) {
    test.serial(`${kind}: listeners that throw, ${when}, leave the connection and the process as they were`, async (t) => {
      const env = { ...process.env, KEY: server.key, CERT: server.cert };
      const { stdout } = await exec(process.execPath, [APP, kind, when], { env, timeout: 60_000 });
      const told = JSON.parse(stdout) as { received: number; thrown: number };
      t.is(told.received, received);
      t.true(told.thrown >= thrown, `${told.thrown} exceptions`);
    });
  }
}
