/**
 * A collector of measurements over UDP: the sender hands over a hundred datagrams with one call, the receiver takes what has arrived batch by
 * batch. UDP may lose some, so the receiver does not wait for ever.
 *
 *     node examples/udp-batches.mjs
 */
import { once } from 'node:events';
import process from 'node:process';
import { support } from 'iouring-transport';
import dgram from 'iouring-transport/dgram';

const DATAGRAMS = 100;

if (support().backend !== 'uring') {
  console.log(`Core has no batches, and io_uring is not in use here (${support().reason}).`);
  process.exit(0);
}

const collector = dgram.createSocket({ type: 'udp4', dropCounter: true });
collector.bind(0, '127.0.0.1');
await once(collector, 'listening');
const { address, port } = collector.address();

const sender = dgram.createSocket('udp4');
sender.bind(0, '127.0.0.1');
await once(sender, 'listening');

// Listens from here on: nothing is missed between this line and the loop.
const batches = collector.messages({ highWaterMark: 4096, signal: AbortSignal.timeout(5000) });

const measurements = Array.from({ length: DATAGRAMS }, (_, index) => ({ data: `cpu.load:${index}`, port, address }));
const results = await sender.sendMany(measurements);
const refused = results.filter((result) => result instanceof Error);
console.log(`sent ${results.length - refused.length} datagrams, ${refused.length} failed`);

let [received, sum, dropped] = [0, 0, 0];
try {
  for await (const batch of batches) {
    for (const { data, rinfo } of batch) {
      received++;
      sum += Number(data.toString().split(':')[1]);
      dropped = rinfo.ancillary?.dropped ?? dropped;
    }
    if (received + dropped >= DATAGRAMS) break;
  }
} catch (error) {
  if (error.name !== 'AbortError') throw error;
  console.log('some never came');
}
console.log(`received ${received}, dropped ${dropped}, sum ${sum}`);

sender.close();
collector.close();
