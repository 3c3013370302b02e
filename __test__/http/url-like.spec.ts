// What core takes for a URL is one here: of another realm, or an object that looks like it.
import { once } from 'node:events';
import core, { type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import http from 'iouring-transport/http';

test('requests of URLs, and of what looks like them', async (t) => {
  const server = http.createServer((request, response) => response.end(request.url)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  class ForeignUrl {
    readonly href = `http://127.0.0.1:${port}/foreign?x`;
    readonly protocol = 'http:';
    readonly hostname = '127.0.0.1';
    readonly port = String(port);
    readonly pathname = '/foreign';
    readonly search = '?x';
    readonly hash = '';
  }
  const inputs = [
    new URL(`http://127.0.0.1:${port}/a?b`),
    new ForeignUrl(),
    { ...new ForeignUrl() },
    { port, host: '127.0.0.1', path: '/options', href: 'x' },
  ];
  const get = async (it: Pick<typeof core, 'get'>, input: unknown): Promise<string> => {
    const [response] = (await once(it.get(input as URL), 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };
  for (const input of inputs) t.is(await get(http, input), await get(core, input));
  server.close();
});
