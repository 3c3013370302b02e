/**
 * A server of static files: `open`, `stat` and `sendFile` over io_uring below core's HTTP, with ranges for those who resume a download.
 *
 *     node examples/static-files.mjs
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { open, sendFile, writeFile } from 'iouring-transport/fs';
import http from 'iouring-transport/http';

const TYPES = { '.html': 'text/html; charset=utf-8', '.bin': 'application/octet-stream' };

const folder = mkdtempSync(path.join(os.tmpdir(), 'example-'));
const large = Buffer.alloc(4 << 20, 'all work and no play ');
await writeFile(path.join(folder, 'index.html'), '<h1>It works</h1>\n');
await writeFile(path.join(folder, 'large.bin'), large);

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    const status = error.code === 'ENOENT' ? 404 : 500;
    if (response.headersSent) response.destroy();
    else response.writeHead(status).end(`${http.STATUS_CODES[status]}\n`);
  });
});

async function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://host');
  // The URL has no `..` left that could lead out; what is encoded (`%2e%2e%2f`) is not decoded.
  const name = path.join(folder, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
  const file = await open(name);
  try {
    const { size } = await file.stat();
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const start = Math.min(Number(range?.[1] ?? 0), size);
    response.writeHead(range ? 206 : 200, {
      'content-type': TYPES[path.extname(name)] ?? 'application/octet-stream',
      'content-length': size - start,
      ...(range && { 'content-range': `bytes ${start}-${size - 1}/${size}` }),
    });
    if (request.method !== 'HEAD') await sendFile(file, response, { start, length: size - start });
    response.end();
  } finally {
    await file.close();
  }
}

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();

async function get(target, headers = {}) {
  const request = http.get({ host: '127.0.0.1', port, path: target, headers });
  const [response] = await once(request, 'response');
  const body = Buffer.concat(await response.toArray());
  return { status: response.statusCode, type: response.headers['content-type'], body };
}

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

const page = await get('/');
console.log(`/: ${page.status} ${page.type}: ${page.body.toString().trim()}`);
const whole = await get('/large.bin');
console.log(
  `/large.bin: ${whole.status}, ${whole.body.length} bytes, ${digest(whole.body) === digest(large) ? 'intact' : 'BROKEN'}`,
);
const rest = await get('/large.bin', { range: 'bytes=4194000-' });
console.log(`/large.bin from 4194000: ${rest.status}, ${rest.body.length} bytes`);
console.log(`/missing: ${(await get('/missing')).status}`);

// A resumed download whose beginning lies behind the end cannot be told apart here from one of nothing; a real server says 416.
http.globalAgent.destroy();
server.close();
await once(server, 'close');
rmSync(folder, { recursive: true });
