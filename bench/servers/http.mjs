/**
 * The server of the scenarios with HTTP: `node http.mjs MODULE MODE ADDRESS`, as stream.mjs with these:
 *
 * MODULE   what to import: `node:http`, `iouring-transport/http`
 * MODE     `hello` answers every request with the same few bytes
 */
import process from 'node:process';

const [name, mode, address] = process.argv.slice(2);
const { createServer } = await import(name);

const body = Buffer.from('hello\n');
const serve = {
  hello(request, response) {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
    response.end(body);
  },
}[mode];

const [, host, port] = /^(.*):(\d+)$/.exec(address);
const server = createServer(serve);
server.listen({ host, port: Number(port), backlog: 4096 }, () => {
  const got = server.address();
  process.stdout.write(`${got.address}:${got.port}\n`);
});

process.stdin.on('data', () => {}).on('end', () => process.exit(0));
