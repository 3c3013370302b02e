// A connection that an agent keeps for the next request: what arrives on it meanwhile is the answer to nothing. Core's agents then give it up (hackerone.com/reports/3582376, Node 22.22,
// 24.14 and newer), by a guard on the socket's handle.
import coreHttp from 'node:http';
import core from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import ours from 'iouring-transport/http';
import { nothingLeft } from '../net/_sockets.ts';

test.afterEach.always(nothingLeft);

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** What a server does when it has answered. */
const LATER: Record<string, (socket: core.Socket) => void> = {
  nothing: () => {},
  'answers once more': (socket) => socket.write(ANSWER.replace('ok', 'no')),
  'sends a byte': (socket) => socket.write('x'),
  ends: (socket) => socket.end(),
  resets: (socket) => socket.resetAndDestroy(),
};

/** What three requests get, one after the other, and how many connections were made for them. */
async function ask(http: typeof coreHttp, later: (socket: core.Socket) => void): Promise<string[]> {
  const told: string[] = [];
  const sockets = new Set<core.Socket>();
  const server = core.createServer((socket) => {
    sockets.add(socket);
    socket
      .on('error', () => {})
      .on('data', () => {
        socket.write(ANSWER);
        setTimeout(() => later(socket), 20);
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new http.Agent({ keepAlive: true });
  for (let round = 0; round < 3; round++) {
    const request = http.get({ port: (server.address() as core.AddressInfo).port, host: '127.0.0.1', agent });
    const [response] = (await once(request, 'response')) as [coreHttp.IncomingMessage];
    let text = '';
    for await (const piece of response) text += String(piece);
    await sleep(60);
    told.push(`${text}, ${request.reusedSocket ? 'again' : 'new'}`);
  }
  agent.destroy();
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
  return [...told, `${sockets.size} connections`];
}

for (const [what, later] of Object.entries(LATER)) {
  test.serial(`the server ${what} meanwhile`, async (t) => {
    t.deepEqual(await ask(ours, later), await ask(coreHttp, later));
  });
}
