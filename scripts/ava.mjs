/**
 * Ava's command line, its TAP reporter mended: of a test that hangs, or that ends the process, it fails to tell, since the error is not of the kind that it
 * expects (ava 7). Loaded by path: ava exports neither.
 */
import TapReporter from '../node_modules/ava/lib/reporters/tap.js';

const { writeTest } = TapReporter.prototype;
TapReporter.prototype.writeTest = function (event, flags) {
  const { err } = event;
  const described = err instanceof Error ? { name: err.name, stack: err.stack, originalError: err, formattedDetails: [] } : err;
  return writeTest.call(this, { ...event, err: described }, flags);
};
await import('../node_modules/ava/entrypoints/cli.mjs');
