// Up to 8 KiB write() copies: the buffer may be filled anew at once, however much is waiting to be sent.
import { once } from 'node:events';
import dgram from 'iouring-transport/dgram';
import test, { type ExecutionContext } from 'ava';
import { nothingLeft, pair, type Pair } from './_sockets.ts';

test.afterEach.always(nothingLeft);

/** Each fills 64 KiB of the arena, which has 2 MiB, before its stream waits for the kernel. */
const CONNECTIONS = 45;
const TOTAL = 96 * 1024;

/** Sends each connection's number, again and again, out of one scratch buffer that all share, and checks what arrives. */
async function broadcast(t: ExecutionContext, send: (at: Pair, fill: number, left: number) => number): Promise<void> {
  const pairs: Pair[] = [];
  for (let i = 0; i < CONNECTIONS; i++) pairs.push(await pair());
  const arrived = pairs.map(
    ({ peer }, number) =>
      new Promise<boolean>((resolve) => {
        let [got, right] = [0, true];
        peer.on('data', (bytes: Buffer) => {
          right &&= bytes.every((byte) => byte === number);
          if ((got += bytes.length) === TOTAL) resolve(right);
        });
      }),
  );
  for (const [number, at] of pairs.entries()) {
    for (let left = TOTAL; left > 0;) left -= send(at, number, left);
  }
  t.deepEqual(
    await Promise.all(arrived),
    pairs.map(() => true),
  );
}

const scratch = Buffer.alloc(8192);

for (const size of [100, 4096, 8192]) {
  test.serial(`one buffer for many sockets, ${size} B at a time`, async (t) => {
    await broadcast(t, ({ client }, number, left) => {
      const bytes = scratch.subarray(0, Math.min(size, left)).fill(number);
      // Only the first write of a stream reaches the handle at once, unless it is over.
      if (client.writableLength > 0) client.write(Buffer.from(bytes));
      else client.write(bytes);
      return bytes.length;
    });
  });
}

test.serial('several chunks together', async (t) => {
  await broadcast(t, ({ client }, number, left) => {
    const size = Math.min(4096, left) / 2;
    scratch.fill(number);
    if (client.writableLength > 0) client.write(Buffer.from(scratch.subarray(0, 2 * size)));
    else {
      client.cork();
      client.write(scratch.subarray(0, size));
      client.write(scratch.subarray(size, 2 * size));
      client.uncork();
    }
    return 2 * size;
  });
});

test.serial('datagrams', async (t) => {
  const receiver = dgram.createSocket('udp4');
  const sender = dgram.createSocket('udp4');
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  sender.connect(receiver.address().port, '127.0.0.1');
  await once(sender, 'connect');
  let [last, right, heard] = [false, true, 0];
  receiver.on('message', (bytes: Buffer) => {
    if (bytes.length === 1) last = true;
    else heard++;
    right &&= bytes.every((byte) => byte === bytes[0]);
    fills.add(bytes[0]);
  });
  const fills = new Set<number>();
  // The arena has room for some 500 of them. Those that find none in the receiver's buffer are lost.
  const sent: Promise<void>[] = [];
  for (let i = 0; i < 900; i++) {
    scratch.fill(i);
    sent.push(new Promise((resolve) => sender.send(scratch, 0, 4096, () => resolve())));
  }
  await Promise.all(sent);
  while (!last) {
    sender.send('l');
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.true(right);
  // Had they been lent, all of them would say what the last says.
  t.true(heard < 2 || fills.size > 1);
  sender.close();
  receiver.close();
  await Promise.all([once(sender, 'close'), once(receiver, 'close')]);
});
