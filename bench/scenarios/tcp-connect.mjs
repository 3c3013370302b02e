/** Connections that carry one message each and close, as many after the other as the server makes possible. */
export default {
  name: 'tcp-connect',
  title: 'TCP connections, one message each',
  load: 'tcp-connect',
  mode: 'echo',
  unit: 'connection',
  cases({ connections = [50], size = [64] }) {
    return connections.flatMap((c) =>
      size.map((s) => ({ name: `${c} at a time, ${s} B`, connections: c, size: s, args: ['--connections', c, '--size', s] })),
    );
  },
};
