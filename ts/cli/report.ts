/**
 * The doctor's findings, as `doctor --json` prints them. `docs/doctor.schema.json` is their schema.
 */
import process from 'node:process';
import { getSystemErrorName } from 'node:util';
import type { ReactorSettings } from '../reactor/index.ts';
import { support } from '../support.ts';
import type { BenchResult } from './bench.ts';
import { FEATURES } from './features.ts';
import { type Hint, hintsFor } from './hints.ts';
import { type Host, lookAtHost, readSystemFile } from './host.ts';
import { LIMITS, suffices, SYSCTLS } from './recommendations.ts';

export interface Feature {
  readonly name: string;
  /** The version of Linux that it came with. */
  readonly since: string;
  readonly present: boolean;
  readonly purpose: string;
}

/** A value that can be set, beside what is recommended. */
export interface Setting {
  readonly name: string;
  /** As the system prints it; null where it cannot be seen. Of a limit the soft one. */
  readonly value: string | null;
  /** Of a limit the hard one. */
  readonly hard?: string | null;
  readonly recommended: string;
  /** Whether the value is as good as that; null where it cannot be seen. */
  readonly sufficient: boolean | null;
  /** What sets it. */
  readonly command: string;
  readonly purpose: string;
}

export interface Report {
  /** Of this format: raised when something is taken away or changes its meaning. */
  readonly version: 1;
  /** Of the package. */
  readonly package: string;
  readonly node: string;
  readonly host: Host;
  /** Whether io_uring works in this process. The exit status is 0 where it does. */
  readonly usable: boolean;
  /** What the facades run on. `core` although usable where `IOURING_TRANSPORT=core` is set. */
  readonly backend: 'uring' | 'core';
  /** Code of what stands in the way; null where nothing does. */
  readonly reason: string | null;
  readonly message: string | null;
  /** Name of the error number that was seen, such as `EPERM`. */
  readonly errno: string | null;
  /** Variables of the environment that this package reads, as far as they are set. */
  readonly environment: Readonly<Record<string, string>>;
  readonly features: readonly Feature[];
  /** What a ring is made with here; null where there is none. */
  readonly settings: ReactorSettings | null;
  readonly limits: readonly Setting[];
  readonly sysctls: readonly Setting[];
  readonly hints: readonly Hint[];
  /** null where it was not asked for, or there is nothing to compare. */
  readonly bench: BenchResult | null;
}

/** Looks at everything but speed. */
export function examine(version: string): Report {
  const host = lookAtHost();
  const { available, backend, reason, message, errno, features, settings } = support();
  return {
    version: 1,
    package: version,
    node: process.version,
    host,
    usable: available,
    backend,
    reason: reason ?? null,
    message: message ?? null,
    errno: errno === undefined ? null : getSystemErrorName(errno),
    environment: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => name.startsWith('IOURING_TRANSPORT')) as Array<[string, string]>,
    ),
    features: FEATURES.map((feature) => ({ ...feature, present: features[feature.name] === true })),
    settings: settings ?? null,
    limits: limits(),
    sysctls: sysctls(),
    hints: hintsFor(reason, host),
    bench: null,
  };
}

function limits(): Setting[] {
  const text = readSystemFile('/proc/self/limits');
  if (text === null) return [];
  return LIMITS.map(({ label, ...limit }) => {
    const [, soft = null, hard = null] = new RegExp(`^${label}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(text) ?? [];
    return { ...limit, value: soft, hard, sufficient: soft === null ? null : suffices(soft, limit.recommended, 'at least') };
  });
}

function sysctls(): Setting[] {
  if (process.platform !== 'linux') return [];
  return SYSCTLS.map(({ comparison, ...sysctl }) => {
    const value =
      readSystemFile(`/proc/sys/${sysctl.name.replaceAll('.', '/')}`)
        ?.trim()
        .replaceAll(/\s+/g, ' ') ?? null;
    const sufficient = value === null ? null : suffices(value, sysctl.recommended, comparison);
    const quoted = sysctl.recommended.includes(' ') ? `"${sysctl.recommended}"` : sysctl.recommended;
    return { ...sysctl, value, sufficient, command: `sysctl -w ${sysctl.name}=${quoted}` };
  });
}
