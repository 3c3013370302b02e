// A connection that an agent keeps for the next request: what arrives on it meanwhile is the answer to nothing. Core's agents then give it up (hackerone.com/reports/3582376, late versions
// of Node 22 and newer), by a guard on the socket's handle.
import coreHttp from 'node:http';
import core from 'node:net';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import http from 'iouring-transport/http';
import { nothingLeft } from '../net/_sockets.ts';

test.afterEach.always(nothingLeft);

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const hasGuard = String(coreHttp.Agent).includes('Guard');

/** What a server does when it has answered; whether the agent is to give the connection up, and whether that takes the guard. */
const LATER: [what: string, later: (socket: core.Socket) => void, given: boolean, guarded: boolean][] = [
  ['does nothing', () => {}, false, false],
  ['answers once more', (socket) => socket.write(ANSWER.replace('ok', 'no')), true, true],
  ['sends a byte', (socket) => socket.write('x'), true, true],
  ['ends', (socket) => socket.end(), true, false],
  ['resets', (socket) => socket.resetAndDestroy(), true, false],
];

for (const [what, later, given, guarded] of LATER) {
  // Others wait in vain for a connection to be given up.
  if (guarded && !hasGuard) continue;
  for (const [name, { Agent, get }] of Object.entries({ core: coreHttp, ours: http })) {
    test.serial(`the server ${what} meanwhile, ${name}`, async (t) => {
      const sockets: core.Socket[] = [];
      const server = core.createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => {}).on('data', () => socket.write(ANSWER));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const agent = new Agent({ keepAlive: true });
      const ask = async () => {
        const request = get({ port: (server.address() as core.AddressInfo).port, host: '127.0.0.1', agent });
        const [response] = (await once(request, 'response')) as [coreHttp.IncomingMessage];
        let text = '';
        for await (const piece of response) text += String(piece);
        t.is(text, 'ok');
        return request;
      };
      const first = await ask();
      while (Object.keys(agent.freeSockets).length === 0) await turn();
      const closed = new Promise((resolve) => first.socket!.once('close', resolve));
      later(sockets[0]);
      if (given) await closed;
      t.is((await ask()).reusedSocket, !given);
      agent.destroy();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
  }
}
