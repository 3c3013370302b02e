// Standard input, output and error stay open when a socket over one of them is closed: the next file that is opened would take their place.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

for (const module of ['iouring-transport/net', 'node:net']) {
  test(`a socket over descriptor 0 leaves it open (${module})`, async (t) => {
    const script = `
      import { fstatSync } from 'node:fs';
      import net from '${module}';
      const socket = new net.Socket({ fd: 0 });
      socket.once('data', (bytes) => {
        socket.destroy();
        socket.once('close', () => console.log(String(bytes), fstatSync(0).isSocket()));
      });`;
    // A pipe of child_process is a socket.
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: ROOT, timeout: 20_000 });
    child.stdin.write('hello');
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    await once(child, 'close');
    t.is(stdout.trim(), 'hello true');
  });
}
