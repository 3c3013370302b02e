/**
 * A virtual machine with a kernel of Debian's, whose file system is a folder of this machine: what it writes is gone when it ends. Emulated,
 * which is slower by a factor of ten to thirty; with `VM_KVM=1` a machine of this one's kind runs on KVM.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { cpio } from './cpio.mjs';

const KINDS = {
  x64: { program: 'qemu-system-x86_64', machine: 'q35', cpu: 'max', console: 'ttyS0' },
  arm64: { program: 'qemu-system-aarch64', machine: 'virt', cpu: 'cortex-a72', console: 'ttyAMA0' },
  riscv64: { program: 'qemu-system-riscv64', machine: 'virt', cpu: 'rv64', console: 'ttyS0' },
  ppc64: { program: 'qemu-system-ppc64', machine: 'pseries', cpu: 'power9', console: 'hvc0' },
};
/** What the first file system needs to reach the next one; what a kernel has built in it has no file of. */
const MODULES = ['virtio_pci', '9p', '9pnet_virtio', 'overlay'];
/** What ends the output of a command, before its exit status. */
const END = 'vm-ended-with';

/** Why no machine of that processor can be started here; undefined where one can. */
export function missing(arch) {
  if (!(arch in KINDS)) return `a machine of ${arch}`;
  const { program } = KINDS[arch];
  return spawnSync(program, ['--version']).status === 0 ? undefined : program;
}

/**
 * Runs a command in a new machine, passing on what it prints. Only the loopback interface is there.
 *
 * @param {object} machine
 * @param {string} machine.arch as Node calls it
 * @param {string} [machine.cpu] which processor of that kind, as qemu calls it
 * @param {string} machine.kernel folder of an unpacked package of Debian's
 * @param {string} machine.busybox a static one for that processor
 * @param {string} machine.root folder that is the machine's `/`
 * @param {Record<string, string>} [machine.mounts] further folders, by where they are mounted in it
 * @param {string} command for `sh`
 * @param {{ minutes?: number, output?: import('node:stream').Writable }} [options]
 * @returns {Promise<{ status: number, output: string }>} 255 where the machine ended before the command did
 */
export async function runInMachine(machine, command, { minutes = 10, output = process.stdout } = {}) {
  const { program, ...kind } = { ...KINDS[machine.arch], ...(machine.cpu && { cpu: machine.cpu }) };
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-vm-'));
  try {
    const mounts = Object.entries({ '/': machine.root, ...machine.mounts });
    const initrd = path.join(scratch, 'initrd');
    writeFileSync(initrd, firstFileSystem(machine, mounts, command));
    const boot = path.join(machine.kernel, 'boot');
    const [image] = readdirSync(boot).filter((name) => /^vmlinu[xz]-/.test(name));
    const child = spawn(
      program,
      [
        ...['-machine', kind.machine, ...acceleration(machine.arch, kind.cpu), '-smp', '2', '-m', '3072'],
        ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
        ...['-kernel', path.join(boot, image), '-initrd', initrd],
        ...['-append', `console=${kind.console} quiet panic=-1 mitigations=off`],
        ...mounts.flatMap(([, folder], index) => [
          ...['-fsdev', `local,id=fs${index},path=${folder},security_model=none,readonly=on,multidevs=remap`],
          ...['-device', `virtio-9p-pci,fsdev=fs${index},mount_tag=fs${index}`],
        ]),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], timeout: minutes * 60_000 },
    );
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      output.write(chunk);
    });
    await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    const [before, status = '255'] = text.split(`${END} `);
    return { status: Number.parseInt(status, 10), output: before.replaceAll('\r', '') };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** KVM is asked for by a variable: where this machine is a virtual one itself, it may be there and hang. */
function acceleration(arch, cpu) {
  const kvm = process.env.VM_KVM === '1' && arch === process.arch;
  return kvm ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', cpu];
}

function firstFileSystem({ kernel, busybox }, mounts, command) {
  const modules = modulesOf(kernel);
  return cpio({
    ...Object.fromEntries(
      ['bin', 'proc', 'modules', 'upper', 'root', ...mounts.map((_, index) => `fs${index}`)].map((name) => [name, null]),
    ),
    'bin/busybox': readFileSync(busybox),
    ...Object.fromEntries(modules.map(({ contents }, index) => [`modules/${index}.ko`, contents])),
    command: `${command}\n`,
    init: script(modules, mounts),
  });
}

/** Read-only folders with a file system in memory over each, so that programs can write where they like. */
function script(modules, mounts) {
  const mount = ([target], index) => `
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 fs${index} /fs${index}
mkdir -p /upper/${index}/up /upper/${index}/work /root${target}
mount -t overlay -o lowerdir=/fs${index},upperdir=/upper/${index}/up,workdir=/upper/${index}/work overlay /root${target}`;
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
${modules.map((_, index) => `insmod /modules/${index}.ko`).join('\n')}
mount -t tmpfs tmpfs /upper
${mounts.map(mount).join('\n')}
cd /root
mkdir -p proc sys dev tmp run
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
for folder in dev/shm tmp run; do mount -t tmpfs tmpfs $folder; done
ln -sf /proc/self/fd dev/fd
ip link set lo up
sysctl -qw kernel.printk=1
cp /command tmp/command
cp /bin/busybox tmp/busybox
[ -e bin/sh ] || cp /bin/busybox bin/sh
chroot . /tmp/busybox sh /tmp/command
echo "${END} $?"
poweroff -f
`;
}

/** The modules needed of a kernel, those that others need first. */
function modulesOf(kernel) {
  const root = ['lib/modules', 'usr/lib/modules'].map((name) => path.join(kernel, name)).find((name) => readable(name));
  const folder = path.join(root, readdirSync(root)[0]);
  const files = new Map();
  for (const entry of readdirSync(path.join(folder, 'kernel'), { recursive: true })) {
    const [, name] = /([^/]+)\.ko(?:\.xz|\.zst)?$/.exec(entry) ?? [];
    if (name !== undefined) files.set(name.replaceAll('-', '_'), path.join(folder, 'kernel', entry));
  }
  const found = new Map();
  const add = (name) => {
    const file = files.get(name);
    if (found.has(name) || file === undefined) return;
    const contents = expanded(file);
    for (const needed of /\0depends=([^\0]*)\0/.exec(contents.latin1Slice())?.[1].split(',') ?? [])
      add(needed.replaceAll('-', '_'));
    found.set(name, { contents });
  };
  MODULES.forEach(add);
  return [...found.values()];
}

function readable(name) {
  try {
    return readdirSync(name).length > 0;
  } catch {
    return false;
  }
}

function expanded(file) {
  const program = { xz: 'xz', zst: 'zstd' }[file.split('.').at(-1)];
  if (program === undefined) return readFileSync(file);
  const { status, stdout } = spawnSync(program, ['-dc', file], { maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${program} cannot expand ${file}`);
  return stdout;
}
