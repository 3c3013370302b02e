/**
 * A UDP echo server on the transport, and clients that ask again where nothing has come back: datagrams may be lost. What comes in is sent back from where the
 * kernel has put it.
 *
 *     node examples/udp-echo.mjs
 */
import { TransportTimeoutError, worker } from 'iouring-transport/transport';

const CLIENTS = 3;
const ATTEMPTS = 5;

const server = await worker.servers.udp({ host: '127.0.0.1' });
server.stream((datagram) => {
  datagram.respondSingle(datagram.payload);
  // Who gets a payload releases it; what it was sent to is not affected.
  datagram.payload.release();
});
console.log(`on ${worker.backend}: who sends gets it back`);

async function ask(client, text) {
  for (let attempt = 1; ; attempt++) {
    await client.sendSingle(Buffer.from(text));
    try {
      const { payload } = await client.receive({ timeout: 200 });
      return payload.takeBytes().toString();
    } catch (error) {
      if (!(error instanceof TransportTimeoutError) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function talk(number) {
  const client = await worker.clients.udp({ port: server.address.port });
  try {
    return await ask(client, `hello from client ${number}`);
  } finally {
    await client.close();
  }
}

const echoes = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => talk(index + 1)));
for (const echo of echoes) console.log(`echoed: ${echo}`);

await server.close();
console.log('server closed');
