// Tools that watch HTTP/2, by wrapping its functions or by channels: connecting a socket of `net` is none of their business, though the classes of core are looked for then.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A program that tells of each stream and session of HTTP/2, in which a connection is made that core could take over. */
const PROGRAM = `
import dc from 'node:diagnostics_channel';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
for (const side of ['client', 'server']) {
  for (const what of ['created', 'start', 'error', 'finish', 'close']) {
    const name = \`http2.\${side}.stream.\${what}\`;
    dc.subscribe(name, () => console.log(name));
  }
}
const require = createRequire(process.cwd() + '/');
const genuine = (await import('node:module')).default;
for (const name of ['connect', 'createServer']) {
  const core = http2[name];
  http2[name] = (...args) => (console.log(name), core(...args));
}
genuine.syncBuiltinESMExports();
const net = require('NET');
const server = net.createServer((socket) => socket.end('served')).listen(0, '127.0.0.1', () => {
  const client = net.connect(server.address().port, '127.0.0.1');
  void client._handle; // As what would take it over asks.
  client.setEncoding('utf8').on('data', console.log).on('close', () => server.close());
});
`;

for (const registered of [false, true]) {
  test(`no stream is heard of that nobody has asked for${registered ? ', with register' : ''}`, (t) => {
    const program = PROGRAM.replace('NET', registered ? 'node:net' : 'iouring-transport/net');
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [...(registered ? ['--import', 'iouring-transport/register'] : []), '--input-type=module', '--eval', program],
      { cwd: ROOT, encoding: 'utf8', timeout: 30_000 },
    );
    t.is(stderr, '');
    t.is(stdout, 'served\n');
  });
}
