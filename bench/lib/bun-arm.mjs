/** Arms that run in Bun, where it is installed: `npm install --no-save bun`, or anywhere on the path. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { inRoot } from '../../scripts/lib.mjs';

let found;

/** The command that starts Bun; `undefined` where there is none. */
export function bunCommand() {
  found ??= [inRoot('node_modules', '.bin', 'bun'), 'bun'].map((command) => {
    if (command.includes('/') && !existsSync(command)) return undefined;
    const { status, stdout } = spawnSync(command, ['-e', 'console.log(process.execPath)'], { encoding: 'utf8' });
    // What is on the path may be a script that starts the real one: the process that is measured has to be Bun itself.
    return status === 0 ? stdout.trim() : undefined;
  });
  return found.find((command) => command !== undefined);
}

/** An arm that runs a script with Bun. */
export function bunArm(name, about, args) {
  return {
    name,
    about,
    command: (mode, address) => [bunCommand(), ...args(mode, address)],
    missing: () => (bunCommand() === undefined ? 'Bun is not installed (npm install --no-save bun)' : undefined),
  };
}
