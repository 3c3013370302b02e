import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { serverScript } from '../lib/processes.mjs';

const MODULES = {
  ...{ net: 'iouring-transport/net', tls: 'iouring-transport/tls', dgram: 'iouring-transport/dgram' },
  ...{ http: 'iouring-transport/http', https: 'iouring-transport/https', http2: 'iouring-transport/http2' },
};

export default {
  name: 'ours',
  about: 'iouring-transport/net, /http and /dgram',
  collectsGarbage: true,
  command: (mode, address) => [process.execPath, '--expose-gc', ...serverScript(mode, address, MODULES)],
  // Falling back to core without a word would compare core with itself.
  env: { IOURING_TRANSPORT: 'uring' },
  missing() {
    const program = "const { support } = await import('iouring-transport'); process.stdout.write(JSON.stringify(support()));";
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: inRoot('.'),
      encoding: 'utf8',
      env: { ...process.env, IOURING_TRANSPORT: '' },
    });
    if (status !== 0) return `does not load: ${stderr.trim().split('\n').at(-1)}`;
    const { available, message } = JSON.parse(stdout);
    return available ? undefined : message;
  },
};
