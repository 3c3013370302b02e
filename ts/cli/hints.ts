/**
 * What can be done about what stands in the way, by what it is and where the process runs.
 */
import type { UnavailableReason } from '../errors/iouring.ts';
import type { ContainerKind, Host } from './host.ts';

/** Advice, with commands or pieces of configuration to be copied. */
export interface Hint {
  readonly text: string;
  readonly commands: readonly string[];
}

const CALLS = 'io_uring_setup, io_uring_enter, io_uring_register';
const RISK = 'It lets the container reach more of the kernel: do it for services that you trust.';

const PROFILES = 'node_modules/iouring-transport/deploy/seccomp';

const PROFILE: Hint = {
  text: `Run the container with a seccomp profile that allows three more system calls than the default one: ${CALLS}. This package has such profiles. ${RISK}`,
  commands: [`cp ${PROFILES}/docker.json io-uring.json`],
};
const DOCKER: Hint = {
  text: 'Docker: start the container with that profile.',
  commands: ['docker run --security-opt seccomp=io-uring.json …'],
};
const PODMAN: Hint = { text: 'Podman: likewise.', commands: ['podman run --security-opt seccomp=io-uring.json …'] };
const KUBERNETES: Hint = {
  text: `Kubernetes: put a profile on each node, below the kubelet's folder of profiles (the Security Profiles Operator does that), and name it in the pod. containerd needs one without conditions, such as kubernetes.json. ${RISK}`,
  commands: [
    `cp ${PROFILES}/kubernetes.json /var/lib/kubelet/seccomp/profiles/io-uring.json`,
    'securityContext: { seccompProfile: { type: Localhost, localhostProfile: profiles/io-uring.json } }',
  ],
};

const BY_CONTAINER: Readonly<Partial<Record<ContainerKind, readonly Hint[]>>> = {
  docker: [PROFILE, DOCKER],
  podman: [PROFILE, PODMAN],
  kubernetes: [KUBERNETES],
  fargate: [
    {
      text: 'AWS Fargate refuses io_uring, and its profile cannot be changed: use ECS or EKS on EC2, or stay with core.',
      commands: [],
    },
  ],
  gvisor: [{ text: 'gVisor has no io_uring: use the runtime runc for this pod, or stay with core.', commands: [] }],
  'cloud-run': [
    {
      text: 'The first generation of Cloud Run is gVisor, which has no io_uring: choose the second.',
      commands: ['gcloud run services update SERVICE --execution-environment=gen2'],
    },
  ],
};

const ELSEWHERE: readonly Hint[] = [PROFILE, DOCKER, PODMAN, KUBERNETES];

const SYSCTL: Hint = {
  text: 'kernel.io_uring_disabled forbids it. 0 allows it to all, 1 to root and the group in kernel.io_uring_group. It is a setting of the host, not of a container.',
  commands: ['sysctl -w kernel.io_uring_disabled=0'],
};

const one = (text: string, ...commands: string[]): readonly Hint[] => [{ text, commands }];

/** What can be done. */
export function hintsFor(reason: UnavailableReason | undefined, host: Host): readonly Hint[] {
  switch (reason) {
    case undefined:
      return [];
    case 'ERR_IOURING_NOT_LINUX':
      return one('Nothing needs to be done: the same modules run on core here.');
    case 'ERR_IOURING_FORCED_CORE':
      return one('IOURING_TRANSPORT=core is set, so that the modules are core’s.', 'unset IOURING_TRANSPORT');
    case 'ERR_IOURING_REFUSED_SYSCTL':
      return [SYSCTL];
    case 'ERR_IOURING_REFUSED_SECCOMP':
    case 'ERR_IOURING_ENTER_REFUSED':
    case 'ERR_IOURING_NO_SYSCALL':
      return refusedCalls(reason, host);
    case 'ERR_IOURING_NO_BINARY':
      return one(
        'Install with optional dependencies, on the platform that the program will run on.',
        'npm install --include=optional',
      );
    case 'ERR_IOURING_BINARY_NOT_LOADABLE':
      return one('Is node_modules on a file system mounted noexec, or copied from another machine? Install again.', 'npm ci');
    case 'ERR_IOURING_UNSUPPORTED_ARCHITECTURE':
      return one(
        'There are binaries for x64, arm64, riscv64 and ppc64 (little-endian). Build the package from its sources, or stay with core.',
      );
    case 'ERR_IOURING_KERNEL_TOO_OLD':
      return one(`Linux 6.1 or newer is needed; this is ${host.kernel}.`, 'uname -r');
    case 'ERR_IOURING_LOCK_LIMIT':
      return one(
        'Raise RLIMIT_MEMLOCK, which counts all rings of this user together.',
        'ulimit -l unlimited',
        'LimitMEMLOCK=infinity',
      );
    case 'ERR_IOURING_OUT_OF_DESCRIPTORS':
      return one('Raise the limit of open files.', 'ulimit -n 1048576');
    case 'ERR_IOURING_OUT_OF_MEMORY':
      return one('The kernel had no memory for a ring: look at the limit of the control group.', 'cat /sys/fs/cgroup/memory.max');
    case 'ERR_IOURING_PERMISSION_MODEL':
      return one("Node's permission model guards core's functions alone: run without --permission, or stay with core.");
    case 'ERR_IOURING_SELF_TEST_FAILED':
    case 'ERR_IOURING_SET_UP':
      return one('This is not expected: a report is welcome.', 'npx iouring-transport doctor --json');
  }
}

function refusedCalls(reason: UnavailableReason, { container }: Host): readonly Hint[] {
  const known = container === null ? undefined : BY_CONTAINER[container];
  if (known !== undefined) return known;
  if (reason === 'ERR_IOURING_NO_SYSCALL')
    return [
      ...one(
        'This kernel was built without io_uring, or something in between hides it: gVisor, an emulated processor (qemu-user), a seccomp profile.',
      ),
      ...ELSEWHERE,
    ];
  return [
    ...one(
      'A seccomp profile refuses it. If that of a service (systemd), allow the calls.',
      `SystemCallFilter=${CALLS.replaceAll(',', '')}`,
    ),
    ...ELSEWHERE,
  ];
}
