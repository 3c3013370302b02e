/**
 * Runs the Rust tests of the reactor under AddressSanitizer. The flag is unstable, but the stable toolchains of rustup's bring the sanitizer's runtime along:
 * where there is none (a distribution's compiler, a C library other than glibc) this says so, and passes.
 *
 *     node scripts/asan.mjs              all tests
 *     node scripts/asan.mjs closing::    some (arguments go to cargo test)
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { run, say } from './lib.mjs';

const rustc = (...args) => spawnSync('rustc', args, { encoding: 'utf8' }).stdout ?? '';
const target = /^host: (\S+-linux-gnu)$/m.exec(rustc('--version', '--verbose'))?.[1];
if (target === undefined || !hasRuntime(target)) {
  say('AddressSanitizer: SKIPPED, this toolchain has no runtime for it');
} else {
  say(`AddressSanitizer (${target})`);
  // A target is named so that build scripts and procedural macros are built without the sanitizer, which they do not link with.
  process.exitCode = run(
    'cargo',
    ['test', '--package', 'iouring-reactor', '--target', target, '--target-dir', 'target/asan', ...process.argv.slice(2)],
    // What the kernel may still have is leaked on purpose, and some tests are about that.
    {
      env: {
        ASAN_OPTIONS: 'detect_leaks=0',
        // Of each property; they take most of the time.
        PROPTEST_CASES: '32',
        ...process.env,
        RUSTC_BOOTSTRAP: '1',
        RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} -Zsanitizer=address`.trim(),
      },
    },
  );
}

/** Whether the toolchain brings what instrumented code is linked with. */
function hasRuntime(host) {
  const libraries = path.join(rustc('--print', 'sysroot').trim(), 'lib', 'rustlib', host, 'lib');
  return existsSync(libraries) && readdirSync(libraries).some((name) => /^librustc.*_rt\.asan\.a$/.test(name));
}
