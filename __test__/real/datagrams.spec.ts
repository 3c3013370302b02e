// CoAP, DNS and StatsD over our datagram sockets: libraries from npm at the other end, or on top.
import { once } from 'node:events';
import coap from 'coap';
import dns2 from 'dns2';
import dgram from 'iouring-transport/dgram';
import { testWith } from './_service.ts';

const test = testWith();

test('coap: 100 requests over our socket, answered by a server on core', async (t) => {
  const server = coap.createServer({ type: 'udp4' }, (request, response) => response.end(`hello ${request.url}`));
  const port = 20_000 + (process.pid % 20_000);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
  const socket = dgram.createSocket('udp4');
  const agent = new coap.Agent({ socket });
  const ask = (pathname: string) =>
    new Promise<string>((resolve, reject) => {
      const request = coap.request({ host: '127.0.0.1', port, pathname, agent });
      request.on('response', (response) => resolve(response.payload.toString()));
      request.on('error', reject);
      request.end();
    });
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(`/${i}`)));
  t.deepEqual(
    answers,
    Array.from({ length: 100 }, (_, i) => `hello /${i}`),
  );
  const closed = once(socket, 'close');
  agent.close();
  try {
    socket.close();
  } catch {
    // The agent has closed it.
  }
  await closed;
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test('dns: 200 queries from our socket to a resolver of dns2', async (t) => {
  const { Packet } = dns2;
  const server = dns2.createServer({
    udp: true,
    handle: (request: any, respond: (response: any) => void) => {
      const response = Packet.createResponseFromRequest(request);
      const [{ name }] = request.questions;
      const address = `10.0.0.${name.split('.')[0].slice(1)}`;
      response.answers.push({ name, type: Packet.TYPE.A, class: Packet.CLASS.IN, ttl: 60, address } as never);
      respond(response);
    },
  });
  const addresses = (await server.listen({ udp: { port: 0, address: '127.0.0.1' } })) as unknown as {
    udp: { port: number };
  };
  const socket = dgram.createSocket('udp4');
  const found = new Map<number, string>();
  const all = new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      const answer = Packet.parse(message) as any;
      found.set(answer.header.id, answer.answers[0].address);
      if (found.size === 200) resolve();
    });
  });
  for (let id = 1; id <= 200; id++) {
    const query = new Packet();
    query.header.id = id;
    query.header.rd = 1;
    query.questions.push({ name: `h${id}.example`, type: Packet.TYPE.A, class: Packet.CLASS.IN } as never);
    socket.send(query.toBuffer(), addresses.udp.port, '127.0.0.1');
  }
  await all;
  for (let id = 1; id <= 200; id++) t.is(found.get(id), `10.0.0.${id}`);
  socket.close();
  await server.close();
});

test('statsd: 20,000 counters at full rate, lost ones counted by the kernel', async (t) => {
  const server = dgram.createSocket({ type: 'udp4', dropCounter: true, recvBufferSize: 4 * 1024 * 1024 });
  let counted = 0;
  let dropped = 0;
  server.on('message', (message, rinfo) => {
    for (const line of message.toString('latin1').split('\n')) if (line === 'requests:1|c') counted++;
    dropped = (rinfo as { ancillary?: { dropped?: number } }).ancillary?.dropped ?? dropped;
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const ours = dgram.createSocket('udp4');
  for (let sent = 0; sent < 20_000; sent += 100) {
    for (let i = 0; i < 100; i++) ours.send('requests:1|c', server.address().port, '127.0.0.1');
    await new Promise(setImmediate);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  ours.send('end:1|c', server.address().port, '127.0.0.1');
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.log({ counted, dropped });
  t.is(counted + dropped, 20_000);
  ours.close();
  server.close();
});
