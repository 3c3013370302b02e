/**
 * Link-local IPv6 addresses without an interface (`fe80::1` instead of `fe80::1%eth0`), which say nothing of where to go.
 */
import os from 'node:os';
import process from 'node:process';

const [major, minor] = (process.versions.uv ?? '0.0').split('.').map(Number);

/** Whether core chooses an interface for them: from libuv 1.47 on. With older ones `connect(2)` fails with `EINVAL`. */
const CORE_CHOOSES = major > 1 || (major === 1 && minor >= 47);

/**
 * `address`, an IPv6 one, with the interface that core would connect through: where none is given, the first one that has a link-local
 * address itself. Everything else is returned as it is.
 */
export function withInterface(address: string): string {
  if (!CORE_CHOOSES || !isOfLibuv(address) || address.includes('%')) return address;
  for (const own of Object.values(os.networkInterfaces()).flat()) {
    if (own?.family === 'IPv6' && isOfLibuv(own.address)) return `${address}%${own.scopeid}`;
  }
  return address;
}

/** `fe80::/10`. */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(address);
}

/** By the two bytes that libuv looks at. */
function isOfLibuv(address: string): boolean {
  return /^fe80:/i.test(address);
}
