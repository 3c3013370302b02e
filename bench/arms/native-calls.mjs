import { nativeArm } from '../lib/native-arm.mjs';

/** Takes part in the scenarios of datagrams alone. */
export default {
  ...nativeArm('native-calls', 'recvmmsg and sendmmsg, in Rust', 'udp:127.0.0.1:0'),
  cannot: (scenario) => (scenario.datagrams ? undefined : 'has datagrams alone'),
};
