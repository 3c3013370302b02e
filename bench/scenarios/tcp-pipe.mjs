/** Messages that come back by `socket.pipe(socket)`. What has no streams sends them back as in `tcp-echo`. */
import tcpEcho from './tcp-echo.mjs';

export default {
  ...tcpEcho,
  name: 'tcp-pipe',
  title: 'TCP pipe',
  mode: 'pipe',
  reach: () => [{ metric: 'CPU', over: 'ours', under: 'native-floor', atMost: 1.25 }],
  cases: ({ connections = [50], size = [16_384, 65_536] }, isQuick) =>
    tcpEcho.cases({ connections, size, pipeline: [1] }, isQuick),
};
