import { ourDatagrams } from '../lib/arms.mjs';

/** Takes part in the scenarios of datagrams and of files. */
export default {
  ...ourDatagrams(
    'ours-batch',
    "readMany and writeMany of iouring-transport/fs, sendMany (with the GSO it uses by itself) and 'messages' of /dgram",
    'batch',
  ),
  cannot: (scenario) => (scenario.files || scenario.datagrams ? undefined : 'has files and datagrams alone'),
};
