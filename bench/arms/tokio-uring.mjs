import { nativeArm } from '../lib/native-arm.mjs';

export default {
  ...nativeArm('tokio-uring', 'the tokio-uring crate'),
  // Recent kernels refuse it, and version 0.5 asks for it: EOPNOTSUPP.
  cannot(scenario) {
    if (scenario.datagrams) return 'the server is for streams';
    return scenario.name === 'unix-echo' ? 'the crate sets SO_REUSEPORT on UNIX sockets' : undefined;
  },
};
