/** Where a result was measured. */
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { placement } from './processes.mjs';

const output = (command, args) => {
  const { status, stdout } = spawnSync(command, args, { cwd: inRoot('.'), encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
};

/** Machine, versions and revision. No name of the machine or its user. */
export function describeMachine() {
  const changed = output('git', ['status', '--porcelain', '--untracked-files=no']);
  return {
    date: new Date().toISOString(),
    revision: output('git', ['rev-parse', 'HEAD']),
    changed: changed === undefined ? undefined : changed !== '',
    node: process.version,
    kernel: os.release(),
    architecture: process.arch,
    cpu: os.cpus()[0]?.model,
    cpus: os.availableParallelism(),
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    placement,
  };
}
