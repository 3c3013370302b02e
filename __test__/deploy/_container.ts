// Containers of an image that is made here, of Node and the package as they are: a daemon is all that they need, and no registry.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { SERVICE } from './_confined.ts';

export function docker(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync('docker', args, { encoding: 'utf8', timeout: 120_000 });
}

/** Why nothing can be run in a container here; undefined where it can. */
export function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'Linux';
  const { status, stdout } = docker('info', '--format', '{{.OSType}} {{.SecurityOptions}} {{.ServerErrors}}');
  if (status !== 0 || !stdout.startsWith('linux')) return 'a Docker daemon';
  // The network of the host, with the databases, is then another.
  return stdout.includes('rootless') ? 'a Docker daemon that is root’s' : undefined;
}

/** The libraries that a program or another library is linked with, and the loader. */
function librariesOf(file: string): string[] {
  const { stdout } = spawnSync('ldd', [file], { encoding: 'utf8' });
  return [...stdout.matchAll(/(?:=>|^)\s*(\/\S+) \(0x/gm)].map(([, library]) => library);
}

/**
 * Makes an image with Node, this package and what is laid into it, and nothing else: no shell, no package manager.
 *
 * @param lay puts more into the folder `/app`, where the program is started
 * @returns its name
 */
export function makeImage(lay: (folder: string) => void = () => {}): string {
  const name = `iouring-transport-test:${process.pid}`;
  // Links, which are followed when it is packed.
  const root = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-image-'));
  const link = (file: string, to: string) => {
    mkdirSync(path.dirname(path.join(root, to)), { recursive: true });
    symlinkSync(path.resolve(file), path.join(root, to));
  };
  try {
    const addons = readdirSync('.').filter((file) => file.endsWith('.node'));
    for (const file of ['dist', 'package.json', ...addons]) link(file, `/app/node_modules/iouring-transport/${file}`);
    writeFileSync(path.join(root, 'app', 'service.mjs'), SERVICE);
    lay(path.join(root, 'app'));
    link(process.execPath, '/bin/node');
    for (const library of new Set([process.execPath, ...addons].flatMap(librariesOf))) link(library, library);
    const changes = ['WORKDIR /app', 'USER 65532', 'ENTRYPOINT ["/bin/node"]'].flatMap((change) => ['--change', change]);
    const script = 'root=$1; shift; tar --directory "$root" --dereference --create . | docker import "$@"';
    const made = spawnSync('bash', ['-o', 'pipefail', '-c', script, 'bash', root, ...changes, '-', name], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`docker import: ${made.stderr}`);
  } finally {
    rmSync(root, { recursive: true });
  }
  return name;
}
