/**
 * Fails unless the package, imported and required, runs on a backend here, for the reason named.
 *
 *     node .github/expect.mjs uring
 *     node .github/expect.mjs core ERR_IOURING_REFUSED_SECCOMP
 */
import assert from 'node:assert';
import { createRequire } from 'node:module';
import process from 'node:process';

const [backend, reason] = process.argv.slice(2);
const { support } = await import('iouring-transport');
const { default: net } = await import('iouring-transport/net');
assert.equal(createRequire(import.meta.url)('iouring-transport/net'), net);
assert.deepEqual([support().backend, support().reason], [backend, reason]);
