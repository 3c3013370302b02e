// nginx and haproxy in front of our servers, over TCP and UNIX; wrk against them, with keep-alive and pipelining.
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import http from 'iouring-transport/http';
import net from 'iouring-transport/net';
import type { ExecutionContext } from 'ava';
import { folder, freePort, runTool, settled, start, testWith } from './_service.ts';

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

/** An HTTP server of ours on TCP or UNIX that answers with what it was sent; `upstream` is its address for a proxy. */
async function serveEcho(t: ExecutionContext, family: 'TCP' | 'UNIX') {
  const path = `${folder(t)}/upstream.sock`;
  const server = http.createServer((request, response) => {
    response.setHeader('x-forwarded-for', request.headers['x-forwarded-for'] ?? 'nobody');
    // Whole: nginx does not read an answer while it sends a body, with core's server at the other end no more than with ours.
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part)).on('end', () => response.end(Buffer.concat(parts)));
  });
  server.listen(family === 'TCP' ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  if (family === 'UNIX') chmodSync(path, 0o777);
  return { server, path, upstream: family === 'TCP' ? `127.0.0.1:${portOf(server)}` : path };
}

/** Posts through a proxy, with core's client: 100 requests, ten at a time; how many came back unchanged. */
async function postThrough(t: ExecutionContext, port: number): Promise<number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 10 });
  const post = (body: Buffer) =>
    new Promise<boolean>((resolve, reject) => {
      const request = http.request({ port, host: '127.0.0.1', method: 'POST', agent }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve(response.statusCode === 200 && Buffer.concat(parts).equals(body)));
      });
      request.on('error', reject).end(body);
    });
  const bodies = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i * 5000, i));
  const same = await Promise.all(bodies.map(post));
  agent.destroy();
  return same.filter(Boolean).length;
}

const withNginx = testWith('nginx');
const withHaproxy = testWith('haproxy');
const withWrk = testWith('wrk');

for (const family of ['TCP', 'UNIX'] as const) {
  withNginx(`nginx in front of us over ${family}`, async (t) => {
    const { server, upstream } = await serveEcho(t, family);
    const [port, own] = [await freePort(), folder(t)];
    writeFileSync(
      `${own}/nginx.conf`,
      `daemon off; master_process off; pid ${own}/pid; error_log stderr; events { worker_connections 256; }
      http {
        access_log off; client_max_body_size 10m;
        client_body_temp_path ${own}/body; proxy_temp_path ${own}/proxy; fastcgi_temp_path ${own}/f; uwsgi_temp_path ${own}/u; scgi_temp_path ${own}/s;
        upstream ring { server ${family === 'UNIX' ? `unix:${upstream}` : upstream}; keepalive 8; }
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass http://ring; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; }
        }
      }`,
    );
    const child = await start(t, { command: 'nginx', args: ['-c', `${own}/nginx.conf`, '-p', own], ready: port });
    t.is(await postThrough(t, port), 100);
    child.kill();
    await once(child, 'exit');
    server.close();
    await once(server, 'close');
    await settled(t);
  });

  withHaproxy(`haproxy in front of us over ${family}, with the PROXY protocol before every connection`, async (t) => {
    // The first bytes of each connection, then an echo.
    const seen: string[] = [];
    const path = `${folder(t)}/upstream.sock`;
    const server = net.createServer((socket) => {
      let head = Buffer.alloc(0);
      socket.on('error', () => {});
      socket.on('data', function onHead(chunk: Buffer) {
        head = Buffer.concat([head, chunk]);
        const end = headEnd(head);
        if (end < 0) return;
        socket.off('data', onHead);
        seen.push(head.subarray(0, end).toString('latin1'));
        socket.write(head.subarray(end));
        socket.pipe(socket);
      });
    });
    server.listen(family === 'TCP' ? { port: 0, host: '127.0.0.1' } : { path });
    await once(server, 'listening');
    if (family === 'UNIX') chmodSync(path, 0o777);

    const upstream = family === 'TCP' ? `127.0.0.1:${portOf(server)}` : `unix@${path}`;
    const [one, two, own] = [await freePort(), await freePort(), folder(t)];
    const section = (name: string, port: number, option: string) =>
      `listen ${name}\n  bind 127.0.0.1:${port}\n  server ring ${upstream} ${option}\n`;
    writeFileSync(
      `${own}/haproxy.cfg`,
      `global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n` +
        section('one', one, 'send-proxy') +
        section('two', two, 'send-proxy-v2'),
    );
    const child = await start(t, { command: 'haproxy', args: ['-db', '-f', `${own}/haproxy.cfg`], ready: two });

    for (const [port, version] of [
      [one, 1],
      [two, 2],
    ] as const) {
      const body = Buffer.alloc(500_000, 'ring');
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      const from = socket.localPort!;
      socket.end(body);
      const parts: Buffer[] = [];
      for await (const part of socket) parts.push(part as Buffer);
      t.true(Buffer.concat(parts).equals(body));
      const head = version === 1 ? `PROXY TCP4 127.0.0.1 127.0.0.1 ${from} ${port}\r\n` : headOfVersion2(from, port);
      // Not the last, perhaps: whether haproxy is up was asked with a connection too.
      t.true(seen.includes(head), JSON.stringify(seen));
    }
    child.kill();
    await once(child, 'exit');
    server.close();
    await once(server, 'close');
    await settled(t);
  });
}

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

/** Where the PROXY header ends; -1 where it is not complete. */
function headEnd(bytes: Buffer): number {
  if (bytes.toString('latin1', 0, 5) === 'PROXY') return bytes.indexOf('\r\n') + 2 || -1;
  return bytes.length >= 16 && bytes.length >= 16 + bytes.readUInt16BE(14) ? 16 + bytes.readUInt16BE(14) : -1;
}

/** Version 2, PROXY, TCP over IPv4, 12 bytes of addresses. */
function headOfVersion2(from: number, to: number): string {
  const head = Buffer.concat([
    Buffer.from(SIGNATURE, 'latin1'),
    Buffer.from([0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0]),
  ]);
  head.writeUInt16BE(from, 24);
  head.writeUInt16BE(to, 26);
  return head.toString('latin1');
}

const PIPELINE = `
init = function()
  local requests = {}
  for i = 1, 16 do requests[i] = wrk.format(nil, "/" .. i) end
  batch = table.concat(requests)
end
request = function() return batch end
`;

for (const how of ['keep-alive', 'pipelining'] as const) {
  withWrk(`wrk, 50 connections, ${how}: every answer is right`, async (t) => {
    let served = 0;
    const server = http.createServer((_request, response) => {
      served++;
      response.end('hello\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const own = folder(t);
    writeFileSync(`${own}/pipeline.lua`, PIPELINE);
    const script = how === 'pipelining' ? ['-s', `${own}/pipeline.lua`] : [];
    // How fast the machine is is no concern here: after wrk's own two seconds an answer would be an error.
    const options = ['-t1', '-c50', '-d2s', '--timeout', '60s', ...script];
    const output = await runTool('wrk', [...options, `http://127.0.0.1:${portOf(server)}/`]);
    const answered = Number(/(\d+) requests in/.exec(output)?.[1]);
    t.notRegex(output, /Non-2xx|Socket errors/);
    t.true(answered > 1000 && served >= answered, `${served} served, ${answered} answered`);
    server.close();
    await once(server, 'close');
    await settled(t);
  });
}
