// Memory that goes away between write() and the moment of sending: an error or the old bytes, never a crash.
import test from 'ava';
import { needs } from '../_needs.ts';
import { closeOf, nothingLeft, onRing, pair, textOf } from './_sockets.ts';

test.afterEach.always(nothingLeft);

type Failure = NodeJS.ErrnoException | null | undefined;

interface Resizable extends ArrayBuffer {
  resize(size: number): void;
}

const resizable = (size: number): Resizable =>
  new (ArrayBuffer as unknown as new (size: number, options: object) => Resizable)(size, { maxByteLength: size * 2 });

const ring = needs('io_uring', onRing);

test.serial('transferred in the tick of its write: the kernel has the bytes by then', async (t) => {
  const { client, peer } = await pair();
  const received = textOf(peer);
  const bytes = new Uint8Array(100_000).fill(97);
  client.end(bytes);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  t.is(bytes.length, 0);
  t.is(await received, 'a'.repeat(100_000));
});

ring('transferred while it waits for a peer that does not read', async (t) => {
  const { client, peer } = await pair({ pauseOnConnect: true });
  client.on('error', () => {});
  const bytes = new Uint8Array(30_000_000).fill(97);
  const outcome = new Promise<Failure>((resolve) => client.write(bytes, resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  peer.on('error', () => {}).resume();
  t.like(await outcome, { code: 'EFAULT', syscall: 'write' });
});

ring('shrunk while it waits for a peer that does not read', async (t) => {
  const { client, peer } = await pair({ pauseOnConnect: true });
  client.on('error', () => {});
  const buffer = resizable(30_000_000);
  const close = closeOf(client);
  const outcome = new Promise<Failure>((resolve) => client.write(new Uint8Array(buffer), resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
  buffer.resize(10);
  peer.on('error', () => {}).resume();
  t.like(await outcome, { code: 'EFAULT', syscall: 'write' });
  t.true(await close);
});

test.serial('small writes are copied: what becomes of the memory is of no interest', async (t) => {
  const { client, peer } = await pair();
  const received = textOf(peer);
  const bytes = new Uint8Array(1000).fill(97);
  client.end(bytes);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  t.is(await received, 'a'.repeat(1000));
});
