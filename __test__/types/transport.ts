// The types of `import … from 'iouring-transport/transport'`.
import { expectTypeOf } from 'expect-type';
import type { MessagePort } from 'node:worker_threads';
import type { Transport, Connection, TransportWorker } from 'iouring-transport/transport';

expectTypeOf<Transport['send']>().parameter(0).toEqualTypeOf<number>();
// Core's type for it, whatever its typings call that: `TransferListItem` is gone from those of Node 26.
expectTypeOf<Transport['send']>().parameter(2).toEqualTypeOf<Parameters<MessagePort['postMessage']>[1]>();
expectTypeOf<TransportWorker['send']>().parameter(2).toEqualTypeOf<Parameters<MessagePort['postMessage']>[1]>();
expectTypeOf<Connection['close']>().returns.toExtend<Promise<void>>();
