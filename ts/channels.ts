/** Channels of `node:diagnostics_channel` for what happens seldom. `docs/monitoring.md` lists them all. */
import process from 'node:process';

/**
 * Publishes what has happened, where anybody listens. The module is loaded here: whoever listens has it already.
 *
 * @param describe makes the message, which may cost system calls
 */
export function publish(name: `iouring-transport.${string}`, describe: () => object): void {
  const { channel, hasSubscribers } = process.getBuiltinModule('node:diagnostics_channel');
  if (hasSubscribers(name)) channel(name).publish(describe());
}
