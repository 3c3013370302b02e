/** Arms whose rings spin before their loops sleep. */

const CONFIGURE = new URL('../servers/busy-poll.mjs', import.meta.url).href;

/** An arm of ours with `configure({ busyPoll: 50 })`. Spinning is for few connections: other cases only say what it costs. */
export const spinning = (arm) => ({
  ...arm,
  name: `${arm.name}-busy-poll`,
  about: `${arm.name} with configure({ busyPoll: 50 })`,
  command(mode, address) {
    const [node, ...rest] = arm.command(mode, address);
    return [node, '--import', CONFIGURE, ...rest];
  },
  cannot: (scenario) => (scenario.spins ? undefined : 'is for echoes alone'),
});
