/**
 * The server of the scenarios with HTTP: `node http.mjs MODULE MODE ADDRESS`, as stream.mjs with these:
 *
 * MODULE   what to import: `node:http`, `iouring-transport/http`, and the same of https and http2
 * MODE     `hello` answers every request with the same few bytes, `body` with 64 KiB; `secure-` before says over TLS, `h2-` HTTP/2
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';

const [name, mode, address] = process.argv.slice(2);
const imported = await import(name);
const module = imported.default ?? imported;

const isSecure = mode.includes('secure-');
const body = mode.endsWith('body') ? Buffer.alloc(65_536, 'x') : Buffer.from('hello\n');

function serve(request, response) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
}

const certificate = () => {
  const folder = process.env.BENCH_CERTIFICATE;
  return { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/cert.pem`) };
};

const create = isSecure && mode.startsWith('h2-') ? 'createSecureServer' : 'createServer';
const [, host, port] = /^(.*):(\d+)$/.exec(address);
const server = isSecure ? module[create](certificate(), serve) : module[create](serve);
server.listen({ host, port: Number(port), backlog: 4096 }, () => {
  const got = server.address();
  process.stdout.write(`${got.address}:${got.port}\n`);
});

process.stdin.on('data', () => {}).on('end', () => process.exit(0));
