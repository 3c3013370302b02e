/**
 * `npm run test:kernels`: specs on other kernels, and on other processors, in virtual machines with Debian's kernels (see scripts/vm/machine.mjs). The oldest
 * kernel that the ring runs on, one that is too old, and the processors that there are binaries for; this machine's own is what `npm test` runs on. On a Debian
 * machine with `qemu-system-x86`, `qemu-system-arm`, `qemu-system-misc`, `qemu-system-ppc` and `qemu-user-static`; what is missing is skipped, visibly.
 *
 *     npm run test:kernels                         all of them, with a choice of specs: half an hour and more
 *     npm run test:kernels -- 6.1                  one
 *     npm run test:kernels -- 6.1 __test__/fs/*    other specs on it
 *     npm run test:kernels -- ppc64-64k            where pages have 64 KiB
 *     npm run test:kernels -- arm64-reactor 20     the reactor's own tests, built as a release is, twenty times over
 */
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import compileSpecs from '../ava.config.js';
import { Missing } from './cached.mjs';
import { packageFor, testsFor } from './cross.mjs';
import { debianArch, newestUnpacked, unpacked } from './debian.mjs';
import { fail, has, inRoot, root, say } from './lib.mjs';
import { missing, runInMachine } from './vm/machine.mjs';

/** What differs between kernels and processors: every operation once, how things end, and what is counted. */
const SPECS = [
  '__test__/net/{integrity,half-close,backpressure,unix-sockets,descriptors,errors-as-cores}.spec.ts',
  '__test__/dgram/{as-core,batches,errors,multicast}.spec.ts',
  '__test__/fs/{additions,transfers,failures,streams}.spec.ts',
  '__test__/transport/{files,datagrams}.spec.ts',
];
/** Other processors, as Node calls them: what is built for each, what runs its programs here, and which of Debian's suites its Node is from. */
const PROCESSORS = {
  arm64: { target: 'aarch64-unknown-linux-gnu', emulator: 'qemu-aarch64-static', suite: 'trixie' },
  riscv64: { target: 'riscv64gc-unknown-linux-gnu', emulator: 'qemu-riscv64-static', suite: 'trixie' },
  // Of trixie's updates for it, mirrors have the lists and not all of the files.
  ppc64: { target: 'powerpc64le-unknown-linux-gnu', emulator: 'qemu-ppc64le-static', suite: 'forky' },
};
/** Kernels for them, by Debian's flavour. Those with a size in their names have pages of that size, where others have such of 4 KiB. */
const OTHERS = {
  arm64: { arch: 'arm64', flavour: 'arm64' },
  // The processor that other machines for arm64 have knows no such pages.
  'arm64-16k': { arch: 'arm64', flavour: 'arm64-16k', cpu: 'neoverse-n1' },
  riscv64: { arch: 'riscv64', flavour: 'riscv64' },
  ppc64: { arch: 'ppc64', flavour: 'powerpc64le' },
  'ppc64-64k': { arch: 'ppc64', flavour: 'powerpc64le-64k' },
};

/** By the name that one is asked for with. Each gives the numbers of what passed, failed and was skipped. */
const trials = new Map([
  ['5.10', () => expectOn(host('bullseye', '5\\.10'), 'core ERR_IOURING_KERNEL_TOO_OLD')],
  ['6.1', () => specsOn(host('bookworm', '6\\.1'))],
  ['6.12', () => specsOn(host('trixie', '6\\.12'))],
  ...Object.entries(OTHERS).flatMap(([name, other]) => [
    [name, () => specsOn(withBinary(other))],
    [`${name}-reactor`, () => reactorOn(other)],
  ]),
  ...Object.keys(PROCESSORS).map((arch) => [`${arch}-emulated`, () => emulated(arch)]),
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
  return {
    arch: 'x64',
    node: process.execPath,
    root: '/',
    kernel: kernel(suite, 'x64', version, 'amd64'),
    busybox: busybox('x64'),
  };
}

/** A machine for another processor: Debian's Node, and this checkout with a binary for it. */
function withBinary(other) {
  const binary = packageFor(PROCESSORS[other.arch].target);
  const machine = bare(other);
  return { ...machine, node: '/usr/bin/node', mounts: { ...machine.mounts, [installed(binary)]: binary } };
}

/** The same without a binary. */
function bare({ arch, flavour, cpu }) {
  const image = kernel('trixie', arch, '6\\.12', flavour);
  return { arch, cpu, kernel: image, busybox: busybox(arch), root: debianWithNode(arch), mounts: { [root]: root } };
}

function kernel(suite, arch, version, flavour) {
  const absent = missing(arch);
  if (absent !== undefined) throw new Missing(`there is no ${absent} here`);
  const debian = debianArch(arch);
  return newestUnpacked(suite, debian, `linux-image-${version}[\\d.-]*(?:\\+deb\\d+)?-${flavour}`);
}

function busybox(arch) {
  return path.join(unpacked(`busybox-${arch}-trixie`, 'trixie', [debianArch(arch)], ['busybox-static']), 'usr', 'bin', 'busybox');
}

/** Where npm would put a folder with a binary. */
function installed(binary) {
  return inRoot('node_modules', `iouring-transport-${path.basename(binary)}`);
}

/** A root folder with Node; trixie's is the oldest that is supported. Its libraries are where `base-files` says that `/lib` is. */
function debianWithNode(arch) {
  const { suite } = PROCESSORS[arch];
  return unpacked(`node-${arch}-${suite}`, suite, [debianArch(arch)], ['nodejs', 'base-files'], { dependencies: true });
}

async function specsOn(machine) {
  // A compiler in an emulated machine would take longer than the specs.
  compileSpecs();
  // What takes seconds takes minutes where the processor is emulated.
  const ava = `"${machine.node}" scripts/ava.mjs --tap --concurrency=2 --timeout=10m ${specs.join(' ')}`;
  const { status, output } = await runInMachine(machine, prepared(`IOURING_TRANSPORT=uring ${ava}`), { minutes: 90 });
  const count = (pattern) => output.match(pattern)?.length ?? 0;
  const skipped = count(/^ok .*# SKIP/gm);
  const failed = count(/^not ok /gm) || (status === 0 ? 0 : 1);
  return { passed: count(/^ok /gm) - skipped, failed, skipped };
}

/** How often is given in the place of specs: what depends on the order in which memory is written may go wrong only now and then. */
async function reactorOn(other) {
  const rounds = rest.length > 0 ? Number(rest[0]) : 3;
  const programs = testsFor(PROCESSORS[other.arch].target).map((program) => `"${program}"`);
  const loop = `for round in $(seq ${rounds}); do for program in ${programs.join(' ')}; do $program || failed=1; done; done`;
  const { status, output } = await runInMachine(bare(other), prepared(`${loop}; [ -z "$failed" ]`), { minutes: 90 });
  const results = [...output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)];
  const sum = (column) => results.reduce((total, match) => total + Number(match[column]), 0);
  return { passed: sum(1), failed: sum(2) || (status === 0 ? 0 : 1), skipped: sum(3) };
}

async function expectOn(machine, expected) {
  const { status } = await runInMachine(machine, prepared(`"${machine.node}" .github/expect.mjs ${expected}`));
  return status === 0 ? { passed: 1 } : { failed: 1 };
}

/** With as many descriptors as systems allow services; the kernel alone allows 1024. */
function prepared(command) {
  return `export HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin\nulimit -n 65536\nuname -r\ncd "${root}" && ${command}`;
}

/** No kernel of its own: system calls of the program are this kernel's, and io_uring is none that the emulator knows. */
function emulated(arch) {
  const { target, emulator } = PROCESSORS[arch];
  if (!has(emulator)) throw new Missing(`there is no ${emulator} here`);
  const folderOfNode = debianWithNode(arch);
  const binary = packageFor(target);
  const folder = installed(binary);
  cpSync(binary, folder, { recursive: true });
  try {
    const expected = ['.github/expect.mjs', 'core', 'ERR_IOURING_NO_SYSCALL'];
    const args = ['-L', folderOfNode, path.join(folderOfNode, 'usr', 'bin', 'node'), ...expected];
    const { status } = spawnSync(emulator, args, { cwd: root, stdio: 'inherit' });
    return status === 0 ? { passed: 1 } : { failed: 1 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
