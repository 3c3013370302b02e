/** The kernel's features beyond what io_uring needs to be usable, which is what Linux 6.1 has: names are those of `support().features`. */
export const FEATURES = [
  { name: 'msg-ring', since: '5.18', purpose: 'messages between rings' },
  { name: 'send-zc', since: '6.0', purpose: 'sending without a copy' },
  { name: 'sendmsg-zc', since: '6.1', purpose: 'the same of datagrams' },
  { name: 'no-sq-array', since: '6.6', purpose: 'a smaller submission queue' },
  { name: 'multishot-read', since: '6.7', purpose: 'pipes and terminals' },
  { name: 'ftruncate', since: '6.9', purpose: 'truncating files on the ring' },
  { name: 'bundles', since: '6.10', purpose: 'several buffers in one receive' },
  { name: 'bind-listen', since: '6.11', purpose: 'bind and listen on the ring' },
  { name: 'incremental-buffers', since: '6.12', purpose: 'many small messages share one receive buffer' },
  { name: 'min-wait', since: '6.12', purpose: 'waiting for batches' },
  { name: 'bounded-receive', since: '6.17', purpose: 'receives that stop by themselves when a reader falls behind' },
  {
    name: 'prompt-signals',
    since: '6.1',
    purpose: 'completions that wait until they are asked for; some stable kernels of 2026 lack it',
  },
] as const;
