// Payloads against a model of them, whatever is done to them in whichever order, on whichever backend is chosen.
import { randomBytes } from 'node:crypto';
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { Payload } from 'iouring-transport/transport';

const { worker } = await import('iouring-transport/transport');

/** More than a run holds. */
const PLENTY = 64 * 1024 * 1024;

/** Two ends: one sends, the other receives, and can send payloads back. */
interface Pair {
  send(bytes: Uint8Array): Promise<void>;
  /** What was sent, in the payloads that it came in. */
  receive(length: number): Promise<Payload[]>;
  sendBack(payload: Payload): Promise<void>;
  receiveBack(length: number): Promise<Buffer>;
  close(): Promise<void>;
}

async function connectionPair(): Promise<Pair> {
  const server = await worker.servers.tcp({ payloadLimit: PLENTY }, () => {});
  const client = await worker.clients.tcp({ port: (server.address as net.AddressInfo).port });
  while (server.connections.size === 0) await sleep(1);
  const [peer] = server.connections;
  const read = async (from: typeof client, length: number): Promise<Payload[]> => {
    const payloads: Payload[] = [];
    for (let got = 0; got < length; got += payloads.at(-1)!.length) payloads.push((await from.read())!);
    return payloads;
  };
  return {
    send: (bytes) => client.writeSingle(bytes),
    receive: (length) => read(peer, length),
    sendBack: (payload) => peer.writeSingle(payload),
    receiveBack: async (length) => Buffer.concat((await read(client, length)).map((payload) => payload.takeBytes())),
    close: async () => {
      await client.close({ gracefulTimeout: 0 });
      await server.close({ gracefulTimeout: 0 });
    },
  };
}

async function datagramPair(): Promise<Pair> {
  const server = await worker.servers.udp({ payloadLimit: PLENTY });
  const client = await worker.clients.udp({ port: (server.address as net.AddressInfo).port });
  await client.sendSingle(Buffer.from('who I am'));
  const first = await server.receive();
  first.payload.release();
  return {
    send: (bytes) => client.sendSingle(bytes),
    receive: async () => [(await server.receive()).payload],
    sendBack: (payload) => first.respondSingle(payload),
    receiveBack: async () => (await client.receive()).payload.takeBytes(),
    close: async () => {
      await client.close();
      await server.close();
    },
  };
}

/** A payload, and what it should be. */
interface Held {
  readonly payload: Payload;
  readonly bytes: Buffer;
  view: Buffer | undefined;
  released: boolean;
}

const ACTIONS = ['receive', 'look', 'change', 'copy', 'take', 'send', 'send and release', 'release', 'wait'] as const;
/** About what is copied to be sent on, and about a receive buffer. */
const SIZES = [1, 64, 512, 513, 2048, 2049, 10_000, 60_000];

const step = fc.record({
  action: fc.constantFrom(...ACTIONS),
  size: fc.constantFrom(...SIZES),
  which: fc.nat(),
});

const RELEASED = { code: 'ERR_IOURING_PAYLOAD_RELEASED' };

/** Does something with a payload, and holds it against the model. */
async function act(t: ExecutionContext, pair: Pair, held: Held, action: string, taken: [Buffer, Buffer][]): Promise<void> {
  const { payload, bytes } = held;
  if (held.released && action !== 'release') {
    t.throws(() => payload.bytes, RELEASED);
    t.throws(() => payload.toBytes(), RELEASED);
    t.throws(() => payload.takeBytes(), RELEASED);
    t.throws(() => void pair.sendBack(payload), RELEASED);
    return;
  }
  switch (action) {
    case 'look':
      held.view ??= payload.bytes;
      t.is(payload.bytes, held.view);
      t.true(held.view.equals(bytes));
      break;
    case 'change':
      held.view = payload.bytes;
      bytes[0] ^= 0xff;
      held.view[0] ^= 0xff;
      break;
    case 'copy': {
      const copy = payload.toBytes();
      t.true(copy.equals(bytes));
      copy.fill(0);
      break;
    }
    case 'take':
      taken.push([payload.takeBytes(), bytes]);
      // Who has looked has the same view.
      held.view = undefined;
      held.released = true;
      break;
    case 'send':
    case 'send and release': {
      const sent = pair.sendBack(payload);
      if (action !== 'send') {
        payload.release();
        held.released = true;
      }
      t.true((await pair.receiveBack(bytes.length)).equals(bytes));
      await sent;
      break;
    }
    case 'release':
      payload.release();
      held.released = true;
  }
}

function checkAll(t: ExecutionContext, all: readonly Held[], taken: readonly (readonly [Buffer, Buffer])[]): void {
  for (const { payload, bytes, view, released } of all) {
    t.is(payload.released, released);
    t.is(payload.length, bytes.length);
    if (view === undefined) continue;
    if (released) t.true(view.length === 0 || view.every((byte) => byte === 0));
    else t.true(view.equals(bytes));
  }
  for (const [mine, expected] of taken) t.true(mine.equals(expected));
}

export function declarePayloadModel(): void {
  for (const [name, make] of Object.entries({ connections: connectionPair, datagrams: datagramPair })) {
    test.serial(`payloads of ${name} are what the model says, whatever is done to them`, async (t) => {
      const pair = await make();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const all: Held[] = [];
          const taken: [Buffer, Buffer][] = [];
          for (const { action, size, which } of steps) {
            if (action === 'receive' || all.length === 0) {
              const bytes = randomBytes(size);
              await pair.send(bytes);
              let at = 0;
              for (const payload of await pair.receive(size)) {
                const part = Buffer.from(bytes.subarray(at, (at += payload.length)));
                all.push({ payload, bytes: part, view: undefined, released: false });
              }
            } else if (action === 'wait') {
              // By then all that are held have moved out of the ring.
              await sleep(12);
            } else await act(t, pair, all[which % all.length], action, taken);
            checkAll(t, all, taken);
          }
          for (const held of all) {
            held.payload.release();
            held.released = true;
          }
          checkAll(t, all, taken);
        }),
        { numRuns: 25 },
      );
      await pair.close();
      for (let i = 0; i < 200 && (worker.stats().buffersLent > 0 || worker.stats().handles > 0); i++) await sleep(5);
      t.deepEqual([worker.buffers.used(), worker.stats().buffersLent, worker.stats().handles], [0, 0, 0]);
    });
  }
}
