// Runs a script in a process of its own: for what changes or ends the whole process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import process from 'node:process';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Children of one file at once. All of them together would take longer on a busy machine than each may. */
const AT_ONCE = 4;

let running = 0;
const waiting: (() => void)[] = [];

async function turn(): Promise<void> {
  if (running < AT_ONCE) running++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
}

function over(): void {
  const next = waiting.shift();
  if (next === undefined) running--;
  else next();
}

/**
 * Runs `script`, an ES module that has `net` and `stats`.
 *
 * @param before a line of shell run first, such as `ulimit -n 40`; it may end with a command that takes another one
 */
export function run(script: string, before = '', prefix = ''): Promise<Outcome> {
  const prelude = `import net from 'iouring-transport/net'; import { stats } from 'iouring-transport'; import { once } from 'node:events';\n`;
  return runAlone(prelude + script, before, prefix);
}

/** The same without imports, for who does something before the package is loaded. */
export async function runAlone(script: string, before = '', prefix = ''): Promise<Outcome> {
  await turn();
  const child = spawn(
    'sh',
    ['-c', `${before || ':'}; exec ${prefix} "$0" "$@"`, process.execPath, '--input-type=module', '--eval', script],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
      killSignal: 'SIGKILL',
    },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code, signal] = (await once(child, 'close').finally(over)) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: stdout.trim(), stderr };
}
