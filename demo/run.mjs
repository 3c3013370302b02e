/**
 * `npm run demo`: the transport at work on real input. Installs and builds what is missing, then
 *
 * 1. makes a file of 256 MiB, sends it through TCP to a server and fetches it back, with its SHA-256 checked at each end;
 * 2. lets a thousand concurrent connections exchange messages with an echo server;
 * 3. does the latter once more with node:net, and puts both beside each other.
 *
 * Servers and clients are processes of their own, so that their CPU time is theirs alone. Runs without a terminal too.
 */
import process from 'node:process';
import { say } from '../scripts/lib.mjs';
import { setup } from '../scripts/setup.mjs';

process.stdout.write('iouring-transport: TCP over io_uring, through the interface of node:net\n');
await setup();

// Only now: what it imports may just have been installed.
const { demo } = await import('./demo.mjs');
const started = Date.now();
// Nothing below takes a quarter of this: it is here so that nothing ever waits for ever.
const watchdog = setTimeout(() => {
  process.stderr.write('\nThe demo took more than a minute. Something is wrong.\n');
  process.exit(1);
}, 60_000);
try {
  await demo();
  say(`Done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  clearTimeout(watchdog);
}
