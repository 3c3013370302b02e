// Programs under the seccomp profile of a container or a service, loaded with libseccomp (crates/reactor/examples/confine.rs, built by `npm test`).
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const confine = path.join(process.env.CARGO_TARGET_DIR ?? 'target', 'debug', 'examples', 'confine');

/** A profile as the runtime specification has it: without conditions on the machine or the container. */
export interface Profile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly syscalls: ReadonlyArray<{
    readonly names: readonly string[];
    readonly action: string;
    readonly errnoRet?: number;
    readonly args?: ReadonlyArray<{
      readonly index: number;
      readonly value: number;
      readonly valueTwo?: number;
      readonly op: string;
    }>;
  }>;
}

/** libseccomp's numbers. */
const COMPARISONS: Readonly<Record<string, number>> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/** EPERM where a profile says nothing else, as with runtimes. */
function action(name: string, errno = 1): string {
  if (name === 'SCMP_ACT_ALLOW') return 'allow';
  if (name === 'SCMP_ACT_ERRNO') return String(errno);
  throw new Error(`no word for ${name}`);
}

function rulesOf({ defaultAction, defaultErrnoRet, syscalls }: Profile): string {
  const rules = syscalls.flatMap((rule) => {
    const conditions = (rule.args ?? []).map(
      ({ index, op, value, valueTwo = 0 }) => `${index} ${COMPARISONS[op]} ${value} ${valueTwo}`,
    );
    return rule.names.map((name) => ['rule', action(rule.action, rule.errnoRet), name, ...conditions].join(' '));
  });
  return [`default ${action(defaultAction, defaultErrnoRet)}`, ...rules].join('\n');
}

/** Why nothing can be run under a profile here; undefined where it can. */
export function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'there is no seccomp';
  const { status, error, stderr } = run({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [] }, ['true']);
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/** Runs a command under a profile. */
function run(profile: Profile, command: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-confined-'));
  const rules = path.join(folder, 'rules');
  writeFileSync(rules, rulesOf(profile));
  const { IOURING_TRANSPORT: _, ...inherited } = process.env;
  try {
    return spawnSync(confine, [rules, ...command], { env: { ...inherited, ...environment }, encoding: 'utf8', timeout: 60_000 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Bytes through a stream, a datagram and a file, on the main thread and on a worker; prints what they went over. */
export const SERVICE = `
  import dgram from 'iouring-transport/dgram';
  import fs from 'iouring-transport/fs';
  import net from 'iouring-transport/net';
  import { support } from 'iouring-transport';
  import { once } from 'node:events';
  import os from 'node:os';
  import path from 'node:path';
  import { Worker, isMainThread, parentPort } from 'node:worker_threads';

  async function stream() {
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect(server.address().port, '127.0.0.1');
    client.end('stream');
    const echoed = Buffer.concat(await client.toArray()).toString();
    server.close();
    return echoed;
  }
  async function datagram() {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.send('datagram', socket.address().port, '127.0.0.1');
    const [message] = await once(socket, 'message');
    socket.close();
    return message.toString();
  }
  async function file() {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'iouring-transport-service-'));
    await fs.writeFile(path.join(folder, 'file'), 'file');
    const text = await fs.readFile(path.join(folder, 'file'), 'utf8');
    await fs.rm(folder, { recursive: true });
    return text;
  }
  const { backend, reason, errno } = support();
  const seen = { backend, reason, errno, moved: [await stream(), await datagram(), await file()] };
  if (isMainThread) {
    const worker = new Worker(process.argv[1]);
    const [inWorker] = await once(worker, 'message');
    process.stdout.write(JSON.stringify([seen, inWorker]));
  } else {
    parentPort.postMessage(seen);
  }
`;

/** What a small service under a profile runs on: of its main thread and of a worker. It throws where the service does not work. */
export function backends(profile: Profile, environment: Readonly<Record<string, string>> = {}) {
  // Inside the checkout, so that the package is found by its name.
  mkdirSync('target', { recursive: true });
  const folder = mkdtempSync(path.join('target', 'confined-'));
  const script = path.resolve(folder, 'service.mjs');
  writeFileSync(script, SERVICE);
  try {
    const { status, stdout, stderr, signal } = run(profile, [process.execPath, script], environment);
    if (status !== 0) throw new Error(`status ${status}, ${signal}: ${stderr}`);
    return { threads: JSON.parse(stdout) as Array<Record<string, unknown>>, warning: stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
