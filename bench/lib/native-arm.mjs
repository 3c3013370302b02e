/** Arms that are servers of the compiled tool. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { benchTool } from './processes.mjs';

/** An arm that runs `iouring-bench server NAME`. `trial` is an address to try it at. */
export function nativeArm(name, about, trial) {
  return {
    name,
    about,
    command: (mode, address) => [benchTool, 'server', name, '--mode', mode === 'pipe' ? 'echo' : mode, '--address', address],
    missing: () => tryServer(name, trial),
  };
}

/** Why a server of the compiled tool does not start here; `undefined` where it does. */
export function tryServer(name, address = '127.0.0.1:0') {
  if (!existsSync(benchTool)) return 'the native tool is not built';
  // Its standard input is closed from the start, so that it ends as soon as it listens.
  const { status, stderr } = spawnSync(benchTool, ['server', name, '--address', address], {
    input: '',
    encoding: 'utf8',
    timeout: 5000,
  });
  return status === 0 ? undefined : `does not start: ${stderr.trim().split('\n').at(0)}`;
}
