import { ourDatagrams } from '../lib/arms.mjs';

/** Takes part in the scenarios of datagrams alone. */
export default ourDatagrams(
  'ours-gso',
  "sendMany and 'messages' of iouring-transport/dgram with segmentSize (GSO) and gro",
  'segments',
);
