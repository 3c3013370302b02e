import { nativeArm } from '../lib/native-arm.mjs';

/** Takes part in the scenario of a proxy alone. */
export default {
  ...nativeArm('native-splice', 'splice(2) in Rust: the kernel moves what it has received from socket to socket'),
  missing: undefined,
  cannot: (scenario) => (scenario.name === 'proxy' ? undefined : 'is a proxy alone'),
};
