// Places for what is under way: as many as there ever were at once are not kept for good.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import process from 'node:process';
import test from 'ava';
import type { NativeReactor } from '../../ts/native-binding.ts';
import { BLOCK_SIZE } from '../../ts/reactor/arena.ts';
import { FileRequests, type FileRequest } from '../../ts/reactor/file-requests.ts';
import type { ReceivedBuffers } from '../../ts/reactor/received-buffers.ts';
import { WriteMemory } from '../../ts/reactor/write-memory.ts';

const MANY = 100_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of JavaScript's heap that are in use. */
function used(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

test.serial('views that are lent', (t) => {
  let places: (Uint8Array | undefined)[] = [];
  const native = {
    arena: new ArrayBuffer(BLOCK_SIZE),
    makePlaces: (count: number) => (places = Array.from({ length: count }, (_, place) => places[place])),
  } as unknown as NativeReactor;
  const memory = new WriteMemory(native, {} as ReceivedBuffers);
  const view = new Uint8Array(1);
  const lendAndTakeBack = (count: number): void => {
    const regions = Array.from({ length: count }, () => memory.lend(view));
    t.is(new Set(regions).size, count);
    t.true(regions.every((region) => places[region - 1] === view));
    t.is(memory.lentViews, count);
    for (const region of regions) memory.reclaim(region);
    t.is(memory.lentViews, 0);
    t.true(places.every((place) => place === undefined));
  };
  lendAndTakeBack(1000);
  const before = places.length;
  t.true(before >= 1000);
  lendAndTakeBack(MANY);
  t.true(places.length <= before, 'given up');
  lendAndTakeBack(1000);
  lendAndTakeBack(MANY);
});

test.serial('operations on files', (t) => {
  const requests = new FileRequests({ hold() {}, unhold() {} });
  let done = 0;
  const request: FileRequest = { done: () => done++ };
  const start = (): number => {
    let given = -1;
    requests.start(request, (token) => (given = token));
    return given;
  };
  const startAndEnd = (count: number): void => {
    const tokens = Array.from({ length: count }, start);
    t.is(new Set(tokens).size, count);
    for (const token of tokens) requests.done(token, 0);
    t.is(requests.count, 0);
  };
  startAndEnd(10);
  const before = used();
  startAndEnd(MANY);
  t.true(used() - before < MANY, 'a byte for each at most');
  startAndEnd(10);
  t.is(done, MANY + 20);
});
