// UNIX datagrams to a connected peer that does not read: they wait in order, and closing gives them up.
import { once } from 'node:events';
import process from 'node:process';
import type { ExecutionContext } from 'ava';
import { stats } from 'iouring-transport';
import type { Message, Socket } from 'iouring-transport/dgram';
import { needs } from '../_needs.ts';
import { holdsNothing, onRing, open, until } from './_tools.ts';

const ring = needs('io_uring', onRing);

/** More than the receive buffers, the peer's queue and the sender's buffer take together. */
const MANY = 3000;

type ByPath = Omit<Socket, 'bind' | 'connect'> & { bind(path: string): void; connect(path: string, callback: () => void): void };

/** A sender and its peer, which receives no more once the first datagram has come until that is taken from `batches`. */
async function pair(t: ExecutionContext): Promise<{ client: Socket; server: Socket; batches: AsyncGenerator<Message[]> }> {
  const name = `\0iouring-${process.pid}-${t.title}`;
  const [server, client] = [open(t, { type: 'unix_dgram' }), open(t, { type: 'unix_dgram' })];
  (server as unknown as ByPath).bind(name);
  await once(server, 'listening');
  await new Promise<void>((resolve) => (client as unknown as ByPath).connect(name, resolve));
  const batches = server.messages({ highWaterMark: 1 });
  client.send('first');
  await once(server, 'messages');
  return { client, server, batches };
}

async function someTurns(): Promise<void> {
  const { turns } = stats();
  await until(() => stats().turns > turns);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

/** Takes what has come, and comes, until there is as much of it. */
async function take(batches: AsyncGenerator<Message[]>, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push(...(await batches.next()).value.map(({ data }: Message) => data.toString()));
  return texts;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, number) => String(number));

ring('waiting in order', async (t) => {
  const { client, batches } = await pair(t);
  const settled: number[] = [];
  const errors: (Error | null)[] = [];
  numbers(MANY).forEach((text, number) => {
    client.send(text, (error: Error | null) => {
      settled.push(number);
      if (error) errors.push(error);
    });
  });
  await someTurns();
  t.true(settled.length > 0 && settled.length < MANY, String(settled.length));
  t.is(client.getSendQueueCount(), MANY - settled.length);
  t.deepEqual(await take(batches, MANY + 1), ['first', ...numbers(MANY)]);
  t.true(await until(() => settled.length === MANY));
  t.deepEqual(errors, []);
  t.deepEqual(settled.map(String), numbers(MANY));
  t.is(client.getSendQueueCount(), 0);
});

ring('closed while they wait', async (t) => {
  const { client, server, batches } = await pair(t);
  const outcome = client.sendMany(numbers(MANY).map((data) => ({ data })));
  await someTurns();
  const closed = once(client, 'close');
  client.close();
  const results = await outcome;
  await closed;
  const sent = results.findIndex((result) => typeof result !== 'number');
  t.true(sent > 0 && sent < MANY, String(sent));
  t.true(results.slice(sent).every((result) => (result as NodeJS.ErrnoException).code === 'ECANCELED'));
  // What was told as sent is all that arrives.
  t.deepEqual(await take(batches, sent + 1), ['first', ...numbers(sent)]);
  server.close();
  t.true((await batches.next()).done);
  t.true(await until(holdsNothing), JSON.stringify(stats()));
});
