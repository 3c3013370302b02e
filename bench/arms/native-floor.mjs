import { nativeArm } from '../lib/native-arm.mjs';

export default nativeArm('native-floor', 'io_uring used directly, in Rust: what there is to reach');
