/**
 * The server of the arm `transport`: `node transport.mjs MODULE MODE ADDRESS`, as stream.mjs. Modes `echo`, `pipe` and `proxy` send payloads on from where the kernel
 * has put them.
 */
import process from 'node:process';

const [name, mode, address] = process.argv.slice(2);
const { worker } = await import(name);

/** Passes everything on. What the other side does not take yet stays unreleased, and so holds the peer back. */
const pass = (from, to) =>
  from.stream(async (payload) => {
    await to.writeSingle(payload).catch(() => {});
    payload.release();
  });

const serve = {
  echo: (connection) =>
    connection.stream((payload) => {
      connection.writeSingle(payload);
      payload.release();
    }),
  sink: (connection) => connection.stream((payload) => payload.release()),
  async source(connection) {
    const bytes = Buffer.alloc(65_536, 'x');
    while (connection.active) await connection.writeSingle(bytes).catch(() => {});
  },
};
serve.pipe = serve.echo;
serve.proxy = async (client) => {
  const [, upstreamHost, upstreamPort] = /^(.*):(\d+)$/.exec(process.env.BENCH_UPSTREAM);
  const upstream = await worker.clients.tcp({ host: upstreamHost, port: Number(upstreamPort) });
  pass(client, upstream);
  pass(upstream, client);
  await Promise.race([client.closed, upstream.closed]);
  client.reset();
  upstream.reset();
};

const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
const server =
  path === undefined
    ? await worker.servers.tcp({ host, port: Number(port), backlog: 4096 }, serve[mode])
    : await worker.servers.unix({ path, backlog: 4096 }, serve[mode]);
const got = server.address;
process.stdout.write(`${path === undefined ? `${got.address}:${got.port}` : `unix:${path}`}\n`);

process.stdin
  .setEncoding('utf8')
  .on('data', (line) => {
    if (line.trim() !== 'gc') return;
    globalThis.gc?.();
    process.stdout.write('gc\n');
  })
  .on('end', () => process.exit(0));
