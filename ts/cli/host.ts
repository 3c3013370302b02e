/**
 * What the doctor can see of the machine and of what this process is shut in by.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import process from 'node:process';

/** Something around a process that decides what it may do. */
export type ContainerKind =
  'docker' | 'podman' | 'kubernetes' | 'fargate' | 'cloud-run' | 'gvisor' | 'lxc' | 'systemd-nspawn' | 'other';

export interface Host {
  readonly platform: string;
  readonly arch: string;
  /** The kernel's release; null where it is not Linux. */
  readonly kernel: string | null;
  /** What it looks as if the process ran in; null where nothing tells of any. */
  readonly container: ContainerKind | null;
  /** Of the process; null where it cannot be seen. `filter`: a profile says which system calls may be made. */
  readonly seccomp: 'disabled' | 'strict' | 'filter' | null;
  /** Whether user ids are others outside; null where it cannot be seen. */
  readonly userNamespace: boolean | null;
}

/** A file of `/proc` or the like; null where there is none, it cannot be read, or this is not Linux. */
export function readSystemFile(path: string): string | null {
  if (process.platform !== 'linux') return null;
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** What the kernel of gVisor says of itself. */
const GVISOR = /Sun Jan 10 15:06:54 PST 2016|gvisor/i;

const isThere = (path: string): boolean => readSystemFile(path) !== null;

function containerKind(): ContainerKind | null {
  const { env } = process;
  if (GVISOR.test(readSystemFile('/proc/version') ?? '')) return env['K_SERVICE'] === undefined ? 'gvisor' : 'cloud-run';
  if (env['K_SERVICE'] !== undefined) return 'cloud-run';
  if (env['AWS_EXECUTION_ENV'] === 'AWS_ECS_FARGATE') return 'fargate';
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined || isThere('/var/run/secrets/kubernetes.io/serviceaccount/namespace'))
    return 'kubernetes';
  if (isThere('/run/.containerenv') || env['container'] === 'podman') return 'podman';
  if (isThere('/.dockerenv')) return 'docker';
  const groups = readSystemFile('/proc/1/cgroup') ?? '';
  if (/kubepods/.test(groups)) return 'kubernetes';
  if (/docker/.test(groups)) return 'docker';
  const named = env['container'];
  if (named === undefined || named === '') return null;
  return named === 'lxc' || named === 'systemd-nspawn' ? named : 'other';
}

const SECCOMP = ['disabled', 'strict', 'filter'] as const;

/** Looks around. */
export function lookAtHost(): Host {
  const isLinux = process.platform === 'linux';
  const [, mode] = /^Seccomp:\s*(\d)/m.exec(readSystemFile('/proc/self/status') ?? '') ?? [];
  const ids = readSystemFile('/proc/self/uid_map');
  return {
    platform: process.platform,
    arch: process.arch,
    kernel: isLinux ? os.release() : null,
    container: isLinux ? containerKind() : null,
    seccomp: mode === undefined ? null : (SECCOMP[Number(mode)] ?? null),
    userNamespace: ids === null ? null : !/^\s*0\s+0\s+4294967295\s*$/.test(ids),
  };
}
