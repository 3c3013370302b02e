/** The arms: what is compared. */
import { readdirSync } from 'node:fs';
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { serverScript } from './processes.mjs';

/** Order in which arms appear; others follow by name. */
const ORDER = ['core', 'base', 'ours', 'transport', 'core-again', 'native-floor', 'tokio-uring', 'bun', 'bun-socket'];

/**
 * All arms.
 * @returns {Promise<Array<{ name: string, about: string, command: (mode: string, address: string) => string[],
 *   env?: Record<string, string>, missing?: () => string | undefined | Promise<string | undefined> }>>}
 */
export async function allArms() {
  const files = readdirSync(inRoot('bench', 'arms')).filter((file) => file.endsWith('.mjs'));
  const arms = await Promise.all(files.map(async (file) => (await import(`../arms/${file}`)).default));
  const rank = ({ name }) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return arms.sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
}

/** Splits arms into those that can run here and those that cannot, with the reason. */
export async function availableArms(arms) {
  const available = [];
  const skipped = [];
  for (const arm of arms) {
    const reason = await arm.missing?.();
    if (reason === undefined) available.push(arm);
    else skipped.push({ name: arm.name, reason });
  }
  return { available, skipped };
}

/** An arm of ours that has datagrams of its own: with one of the interfaces that datagram.mjs can use. */
export const ourDatagrams = (name, about, api) => ({
  name,
  about,
  env: { IOURING_TRANSPORT: 'uring' },
  command: (mode, address) => [process.execPath, ...serverScript(mode, address, { dgram: 'iouring-transport/dgram' }, api)],
  cannot: (scenario) => (scenario.datagrams ? undefined : 'has datagrams alone'),
});
