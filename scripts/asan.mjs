/**
 * Runs the Rust tests of the reactor under AddressSanitizer, which needs a nightly toolchain. Says so, and passes, where there
 * is none: `rustup toolchain install nightly --profile minimal`.
 *
 *     node scripts/asan.mjs              all tests
 *     node scripts/asan.mjs closing::    some (arguments go to cargo test)
 */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { run, say } from './lib.mjs';

const nightly = spawnSync('cargo', ['+nightly', '--version', '--verbose'], { encoding: 'utf8' });
const target = /^host: (\S+-linux-gnu)$/m.exec(nightly.stdout ?? '')?.[1];
if (nightly.status !== 0 || target === undefined) {
  say('AddressSanitizer: SKIPPED, there is no nightly toolchain of Rust for a Linux with glibc');
} else {
  say(`AddressSanitizer (${target})`);
  // A target is named so that build scripts and procedural macros are built without the sanitizer, which they do not link with.
  process.exitCode = run(
    'cargo',
    [
      '+nightly',
      'test',
      '--package',
      'iouring-reactor',
      '--target',
      target,
      '--target-dir',
      'target/asan',
      ...process.argv.slice(2),
    ],
    // What the kernel may still have is leaked on purpose, and some tests are about that.
    {
      env: {
        ASAN_OPTIONS: 'detect_leaks=0',
        ...process.env,
        RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} -Zsanitizer=address`.trim(),
      },
    },
  );
}
