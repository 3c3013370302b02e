// A tracer that wraps the requests of HTTP/2 and looks at the headers that every caller gives: connecting a socket of `net` is none of its business.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';

const PROGRAM = `
import http2 from 'node:http2';
import { Duplex } from 'node:stream';
import net from 'iouring-transport/net';
const probe = http2.connect('http://localhost', { createConnection: () => new Duplex({ read() {}, write() {} }) }).on('error', () => {});
const prototype = Object.getPrototypeOf(probe);
const { request } = prototype;
prototype.request = function (headers, ...rest) {
  headers.traced = 'yes';
  return request.call(this, headers, ...rest);
};
probe.destroy();
const server = net.createServer((socket) => socket.end('served')).listen(0, '127.0.0.1', () => {
  const client = net.connect(server.address().port, '127.0.0.1');
  void client._handle; // As what would take it over asks.
  client.setEncoding('utf8').on('data', console.log).on('close', () => server.close());
});
`;

test('a wrapper of `ClientHttp2Session.request` always finds headers', (t) => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  t.is(stderr, '');
  t.is(stdout, 'served\n');
});
