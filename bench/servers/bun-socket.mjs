/**
 * The server of the arm `bun-socket`: `bun bun-socket.mjs MODE ADDRESS`, as stream.mjs without the module. Modes `hello` and `body` are `Bun.serve`.
 *
 * Bun's sockets do not queue what the kernel did not take: that is done here.
 */
/* global Bun */
const [mode, address] = process.argv.slice(2);
const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
const [, hostname, port] = /^(.*):(\d+)$/.exec(address) ?? [];

const endless = Buffer.alloc(65_536, 'x');

function send(socket, bytes) {
  if (socket.data.length > 0) {
    socket.data.push(Buffer.from(bytes));
    return;
  }
  const taken = socket.write(bytes);
  if (taken >= 0 && taken < bytes.length) socket.data.push(Buffer.from(bytes.subarray(taken)));
}

function stream(socket) {
  let taken;
  do taken = socket.write(endless);
  while (taken === endless.length);
}

const listen = () =>
  Bun.listen({
    ...(path === undefined ? { hostname, port: Number(port) } : { unix: path }),
    socket: {
      open(socket) {
        socket.data = [];
        socket.setNoDelay?.(true);
        if (mode === 'source') stream(socket);
      },
      data(socket, bytes) {
        if (mode === 'echo' || mode === 'pipe') send(socket, bytes);
      },
      drain(socket) {
        if (mode === 'source') stream(socket);
        while (socket.data.length > 0) {
          const [first] = socket.data;
          const taken = socket.write(first);
          if (taken < first.length) {
            socket.data[0] = first.subarray(Math.max(taken, 0));
            return;
          }
          socket.data.shift();
        }
      },
      error() {},
    },
  });

const serve = () =>
  Bun.serve({
    hostname,
    port: Number(port),
    ...(mode.startsWith('secure-') && {
      tls: {
        key: Bun.file(`${process.env.BENCH_CERTIFICATE}/key.pem`),
        cert: Bun.file(`${process.env.BENCH_CERTIFICATE}/cert.pem`),
      },
    }),
    fetch: () => new Response(body, { headers: { 'content-type': 'text/plain' } }),
  });

const body = mode.endsWith('body') ? Buffer.alloc(65_536, 'x') : 'hello\n';
const server = /(hello|body)$/.test(mode) ? serve() : listen();

process.stdout.write(`${path === undefined ? `${server.hostname}:${server.port}` : `unix:${path}`}\n`);
process.stdin.on('data', () => {}).on('end', () => process.exit(0));
