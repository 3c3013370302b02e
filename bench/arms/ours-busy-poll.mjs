import ours from './ours.mjs';

const CONFIGURE = new URL('../servers/busy-poll.mjs', import.meta.url).href;

/** Spinning is for few connections: other cases only say what it costs. */
export default {
  ...ours,
  name: 'ours-busy-poll',
  about: 'ours with configure({ busyPoll: 50 })',
  command(mode, address) {
    const [node, ...rest] = ours.command(mode, address);
    return [node, '--import', CONFIGURE, ...rest];
  },
  cannot: (scenario) => (scenario.spins ? undefined : 'is for echoes alone'),
};
