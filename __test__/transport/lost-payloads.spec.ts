// A payload that nobody has released and nobody can reach comes back, and is told of once.
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);

const PROGRAM = `
  import diagnostics from 'node:diagnostics_channel';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { worker } from 'iouring-transport/transport';
  const warnings = [];
  const lengths = [];
  process.on('warning', ({ code }) => warnings.push(code));
  diagnostics.subscribe('iouring-transport.payload.lost', ({ length }) => lengths.push(length));
  let got = 0;
  // The limit is reached with each payload: the next comes only when it has been given back.
  const server = await worker.servers.tcp({ payloadLimit: 1 }, (connection) => {
    connection.stream((payload) => { got += payload.length; });
  });
  const client = await worker.clients.tcp({ port: server.address.port });
  for (let i = 1; i <= 3; i++) {
    await client.writeSingle(Buffer.alloc(100));
    while (got < i * 100 || lengths.length < i) {
      await sleep(10);
      gc();
    }
  }
  await client.close();
  await server.close();
  console.log(JSON.stringify({ warnings, lengths, used: worker.buffers.used() }));
`;

for (const backend of ['uring', 'core']) {
  test(`${backend}: lost payloads are given back and told of once`, async (t) => {
    const flags = ['--expose-gc', '--input-type=module', '-e', PROGRAM];
    const env = { ...process.env, IOURING_TRANSPORT: backend };
    const { stdout } = await run(process.execPath, flags, { env, timeout: 60_000 });
    t.deepEqual(JSON.parse(stdout), { warnings: ['IOURING_TRANSPORT_PAYLOAD_LOST'], lengths: [100, 100, 100], used: 0 });
  });
}
