/**
 * Payloads that outlive the call in which they were handed over. After a while each moves out of the ring, and is watched from then on: one that is lost to
 * the garbage collector is given back, and told of once in a thread.
 *
 * Until then it is held here, so that it cannot be lost.
 */
import diagnostics from 'node:diagnostics_channel';
import process from 'node:process';
import type { ReceivedBuffers } from '../reactor/index.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import { moveOut, type Estate, type Payload } from './payload.ts';

/** How long a payload stays in the ring, in milliseconds: up to twice that. */
const STAY = 5;

/** With so many entries those are dropped that have been released. */
const SWEEP_SIZE = 256;

const channel = diagnostics.channel('iouring-transport.payload.lost');
const lost = new FinalizationRegistry<Estate>(settle);
let held: Payload[] = [];
let timer: NodeJS.Timeout | undefined;
let told = false;

/** Enters a payload, which lies in one of these buffers; of core's, in none. */
export function holdPayload(payload: Payload, buffers: ReceivedBuffers | undefined): void {
  held.push(payload);
  if (buffers?.scarce === true) moveAll();
  else if (held.length >= SWEEP_SIZE) dropReleased();
  timer ??= setTimeout(moveAll, STAY);
}

function dropReleased(): void {
  held = held.filter((payload) => !payload.released);
  if (held.length >= SWEEP_SIZE / 2) moveAll();
}

function moveAll(): void {
  const all = held;
  held = [];
  clearTimeout(timer);
  timer = undefined;
  for (const payload of all) {
    const estate = moveOut(payload);
    if (estate !== undefined) lost.register(payload, estate);
  }
}

function settle({ share, length, released }: Estate): void {
  if (released) return;
  share.giveBack(length);
  if (channel.hasSubscribers) channel.publish({ length });
  if (told) return;
  told = true;
  process.emitWarning(`A payload of ${length} bytes was garbage-collected without having been released`, {
    type: 'IouringTransportWarning',
    code: 'IOURING_TRANSPORT_PAYLOAD_LOST',
    detail: 'Release each payload, by release(), takeBytes() or using. Further ones are not told of.',
  });
}
