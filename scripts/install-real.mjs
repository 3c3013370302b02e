/**
 * Installs the servers and tools that the specs in `__test__/real` and `__test__/service` are for, with Debian's package manager, as root. Where that is not possible, says so
 * and leaves it at that: the specs skip what is not there, with the reason in their titles.
 *
 *     node scripts/install-real.mjs
 */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { inRoot, run, say } from './lib.mjs';

/** Programs, and the packages that have them. */
const PACKAGES = {
  'redis-server': 'redis-server',
  postgres: 'postgresql',
  mariadbd: 'mariadb-server',
  memcached: 'memcached',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  wrk: 'wrk',
  openssl: 'openssl',
  tcpdump: 'tcpdump',
  ethtool: 'ethtool',
};

const folders = [
  ...(process.env.PATH ?? '').split(':'),
  ...['/usr/sbin', '/usr/local/sbin', '/sbin'],
  ...[18, 17, 16, 15, 14, 13].map((version) => `/usr/lib/postgresql/${version}/bin`),
];

function installed(program) {
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const missing = Object.entries(PACKAGES).filter(([program]) => !installed(program));
const apt = (...args) =>
  run('apt-get', ['-qy', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 300_000,
    // Services are started by the specs alone: RUNLEVEL keeps the packages' scripts from doing it.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  });

if (missing.length > 0) {
  say(`Installing ${missing.map(([, name]) => name).join(', ')} for the specs against real servers`);
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !installed('apt-get')) {
    process.stdout.write('Not possible here: it takes root and apt-get. Specs that need them are skipped.\n');
  } else {
    apt('update');
    // One by one: what a distribution does not have must not keep the others away.
    for (const [, name] of missing)
      if (apt('install', '--no-install-recommends', name) !== 0) process.stdout.write(`No ${name}.\n`);
  }
}

say('Installing what the sample service depends on, from npm');
run(process.execPath, [inRoot('examples', 'service', 'tools', 'dependencies.mjs')], { timeout: 320_000 });
