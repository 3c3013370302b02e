/**
 * A registry that has our packages, as they were packed, and passes everything else on to the one that npm is configured with.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

/**
 * @param {{ manifest: { name: string, version: string }, tarball: string }[]} packages
 * @returns {Promise<{ url: string, close: () => void }>}
 */
export async function startRegistry(packages) {
  const upstream = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim();
  const ours = new Set(packages.map(({ manifest }) => manifest.name));
  const tarballs = new Map(packages.map(({ tarball }) => [path.basename(tarball), tarball]));
  let url;
  const server = http.createServer(async (request, response) => {
    const name = decodeURIComponent(request.url.slice(1));
    const tarball = tarballs.get(name.split('/-/')[1]);
    if (tarball !== undefined) return response.end(readFileSync(tarball));
    if (ours.has(name)) return answer(response, name);
    try {
      const headers = { accept: request.headers.accept ?? '*/*' };
      const { status, body } = await fetch(new URL(request.url.slice(1), upstream), { headers }).then(async (reply) => ({
        status: reply.status,
        body: Buffer.from(await reply.arrayBuffer()),
      }));
      response.writeHead(status).end(body);
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}`;
  return { url, close: () => server.close().closeAllConnections() };

  function answer(response, name) {
    const versions = packages.filter(({ manifest }) => manifest.name === name);
    const described = versions.map(({ manifest, tarball }) => {
      const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`;
      return [manifest.version, { ...manifest, dist: { tarball: `${url}/${name}/-/${path.basename(tarball)}`, integrity } }];
    });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name, versions: Object.fromEntries(described), 'dist-tags': { latest: described[0][0] } }));
  }
}
