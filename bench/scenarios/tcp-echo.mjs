/** Messages that come back: 1, 50 and 500 connections, 64 B to 64 KiB, one or sixteen messages under way on each. */

const KIB = 1024;

/** The cases of a short run. */
const quick = [
  { connections: 50, size: 64, pipeline: 1 },
  { connections: 500, size: 64, pipeline: 1 },
  { connections: 50, size: 16 * KIB, pipeline: 1 },
  { connections: 1, size: 64, pipeline: 1 },
  { connections: 50, size: 64, pipeline: 16 },
];

function matrix({ connections = [1, 50, 500], size = [64, KIB, 16 * KIB, 64 * KIB], pipeline = [1, 16] }) {
  return pipeline.flatMap((p) => connections.flatMap((c) => size.map((s) => ({ connections: c, size: s, pipeline: p }))));
}

const bytes = (size) => (size % KIB === 0 ? `${size / KIB} KiB` : `${size} B`);

export default {
  name: 'tcp-echo',
  title: 'TCP echo',
  load: 'tcp-echo',
  mode: 'echo',
  spins: true,
  quick,
  unit: 'message',
  /** Figures to reach in a case. */
  reach({ connections, size, pipeline }) {
    if (pipeline > 1) return [];
    const against = (metric, bound, under = 'core') => ({ metric, over: 'ours', under, ...bound });
    const figures = [];
    if (connections === 1 && size === 64) {
      figures.push(against('p50', { atMost: 1.05 }));
      for (const over of ['ours-busy-poll', 'transport-busy-poll']) {
        figures.push({ ...against('throughput', { atLeast: 1.7 }), over }, { ...against('p99', { atMost: 0.5 }), over });
      }
    }
    if (connections === 50 || connections === 500) {
      if (size === 64) {
        figures.push(against('CPU', { atMost: 0.6 }), against('throughput', { atLeast: 1.6 }));
        figures.push(against('CPU', { atMost: 1.3 }, 'native-floor'));
      }
      figures.push(against('p99', { atMost: 1 }));
    }
    if (connections === 50 && size === 16 * KIB) figures.push(against('CPU', { atMost: 0.65 }));
    const lean = (bound, under) => ({ ...against('CPU', bound, under), over: 'transport' });
    if (connections > 1 && size === 64) figures.push(lean({ atMost: 1.12 }, 'native-floor'), lean({ atMost: 1 }, 'bun-socket'));
    if (connections > 1 && size >= 16 * KIB) {
      figures.push(lean({ atMost: 1.15 }, 'native-floor'), lean({ atMost: 0.8 }, 'bun-socket'));
    }
    return figures;
  },
  /** The cases to run. `chosen` holds the lists given on the command line. */
  cases(chosen, isQuick) {
    const given = Object.values(chosen).some((list) => list !== undefined);
    return (isQuick && !given ? this.quick : matrix(chosen)).map((one) => ({
      ...one,
      name: `${one.connections} × ${bytes(one.size)}${one.pipeline > 1 ? `, pipelined ${one.pipeline}` : ''}`,
      args: ['--connections', one.connections, '--size', one.size, '--pipeline', one.pipeline],
    }));
  },
};
