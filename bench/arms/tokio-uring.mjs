import { nativeArm } from '../lib/native-arm.mjs';

export default nativeArm('tokio-uring', 'the tokio-uring crate');
