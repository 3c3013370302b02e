/** What a scenario holds the answers of its programs against. */
import assert from 'node:assert/strict';
import process from 'node:process';

/** The package, as it is asked for by name. */
export const OWN = 'iouring-transport';

/** A scenario that fetches nothing but our own packages. */
export function quick(scenario) {
  return Object.assign(scenario, { quick: true });
}

/** It runs on what this machine has. */
export function isAsHere({ expected }, { backend, reason, cause }) {
  assert.deepEqual({ backend, reason }, expected, cause);
}

/** It runs on core, and says why. */
export function isOnCore(answer, expectedReason, expectedCause = /^/) {
  const { backend, reason, cause } = answer;
  assert.deepEqual({ backend, reason }, { backend: 'core', reason: expectedReason });
  assert.match(cause ?? '', expectedCause);
}

/** For programs that are to be somebody who may not read everything: root may. */
export const NOBODY = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
