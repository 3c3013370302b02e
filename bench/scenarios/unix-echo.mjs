/** Messages that come back over a UNIX socket. */
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import tcpEcho from './tcp-echo.mjs';

let folder;
let count = 0;

export default {
  ...tcpEcho,
  name: 'unix-echo',
  title: 'UNIX socket echo',
  reach: undefined,
  quick: tcpEcho.quick.filter(({ connections, pipeline }) => connections === 50 && pipeline === 1),
  /** A path of its own for each server. */
  address() {
    folder ??= mkdtempSync(path.join(os.tmpdir(), 'iouring-bench-'));
    return `unix:${path.join(folder, String(count++))}`;
  },
};
