// Those who do nothing wrong while others do: a connection, datagrams and a file, of which every byte is looked at.
import { once } from 'node:events';
import path from 'node:path';
import dgram from 'iouring-transport/dgram';
import fs from 'iouring-transport/fs';
import net from 'iouring-transport/net';

/** Bytes that tell which round they are of. */
function bytesOf(round: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (round * 31 + i * 7 + (i >> 8)) & 0xff;
  return bytes;
}

function expect(what: string, found: Uint8Array, round: number, length: number): void {
  if (!bytesOf(round, length).equals(found)) throw new Error(`${what}: other bytes in round ${round}`);
}

/** What they have done, which must not be nothing. */
export interface Bystanders {
  readonly rounds: { stream: number; datagram: number; file: number };
  /** Resolves once all is closed; rejects with what went wrong. */
  stop(): Promise<void>;
}

/** Lets them begin, with a file in `directory`. */
export function bystand(directory: string): Bystanders {
  const rounds = { stream: 0, datagram: 0, file: 0 };
  let over = false;
  const lengthOf = (round: number) => 1 + ((round * 7919) % 150_000);
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

  const streams = async () => {
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    const received = client.iterator();
    let rest = Buffer.alloc(0);
    for (; !over; rounds.stream++) {
      const length = lengthOf(rounds.stream);
      client.write(bytesOf(rounds.stream, length));
      while (rest.length < length) {
        const { value, done } = (await received.next()) as { value: Buffer; done: boolean };
        if (done) throw new Error('the stream has ended');
        rest = Buffer.concat([rest, value]);
      }
      expect('stream', rest.subarray(0, length), rounds.stream, length);
      rest = rest.subarray(length);
      await pause();
    }
    client.destroy();
    server.close();
    await once(server, 'close');
  };

  const datagrams = async () => {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    for (; !over; rounds.datagram++) {
      const length = lengthOf(rounds.datagram) % 9000;
      socket.send(bytesOf(rounds.datagram, length), socket.address().port, '127.0.0.1');
      const [message] = (await once(socket, 'message')) as [Buffer];
      expect('datagram', message, rounds.datagram, length);
      await pause();
    }
    socket.close();
    await once(socket, 'close');
  };

  const files = async () => {
    const handle = await fs.open(path.join(directory, 'bystander'), 'w+');
    for (; !over; rounds.file++) {
      const [length, position] = [lengthOf(rounds.file), (rounds.file * 4099) % 100_000];
      await handle.write(bytesOf(rounds.file, length), 0, length, position);
      const found = Buffer.alloc(length);
      await handle.read(found, 0, length, position);
      expect('file', found, rounds.file, length);
      await pause();
    }
    await handle.close();
  };

  const all = [streams(), datagrams(), files()];
  // What goes wrong is told by `stop`.
  for (const each of all) each.catch(() => {});
  return {
    rounds,
    async stop() {
      over = true;
      await Promise.all(all);
    },
  };
}
