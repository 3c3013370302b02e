// However many listeners throw in one turn, what has arrived for others is delivered.
import test from 'ava';
import { drivers, run } from './_child.ts';

for (const driver of drivers) {
  test(`${driver}: 3,000 exceptions in one turn lose nothing of anybody's`, (t) => {
    const { code, stdout, stderr } = run(
      `
      import core from 'node:net';
      import { once } from 'node:events';
      import dgram from 'iouring-transport/dgram';
      let exceptions = 0;
      process.on('uncaughtException', (error) => { if (error.message === 'planned') exceptions++; else throw error; });
      let received = '';
      server.removeAllListeners('connection').on('connection', (socket) => socket.on('data', (bytes) => (received += bytes)));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const peer = core.connect(server.address().port, '127.0.0.1');
      await once(peer, 'connect');
      const sockets = await Promise.all(Array.from({ length: 12 }, async () => {
        const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
        await once(socket, 'listening');
        return socket;
      }));
      peer.write('first ');
      for (const socket of sockets)
        for (let i = 0; i < 250; i++)
          socket.send('', socket.address().port, '127.0.0.1', () => { throw new Error('planned'); });
      peer.write('second ');
      // What was written has arrived when the turn begins.
      for (const until = Date.now() + 50; Date.now() < until;);
      while (exceptions < 3000) await new Promise((resolve) => setTimeout(resolve, 5));
      peer.end('last');
      await once(peer, 'close');
      for (const socket of sockets) socket.close();
      await once(server.close(), 'close');
      // Buffers of the last dispatch go back with the next turn, in which the datagram sockets are closed.
      while (stats().buffersLent > 0 || stats().handles > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      console.log(exceptions, received, stats().handles);
      `,
      driver,
    );
    t.is(code, 0, stderr);
    t.is(stdout, '3000 first second last 0\n', stderr);
  });
}
