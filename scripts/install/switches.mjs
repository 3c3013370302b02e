/** What a program may be started with, or under, that is in the way of a native module or of those who change what the language has. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { isAsHere, isOnCore, NOBODY, OWN, quick } from './answers.mjs';
import { CJS, ESM, Project } from './project.mjs';

const SWITCHES = [
  ['--frozen-intrinsics'],
  ['--jitless'],
  ['--disallow-code-generation-from-strings'],
  ['--disable-proto=throw'],
  ['--preserve-symlinks', '--preserve-symlinks-main'],
  ['--throw-deprecation', '--pending-deprecation'],
  ['--force-context-aware'],
  ['--no-global-search-paths'],
];

/** What Node calls its permission model. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
/** What it takes where the model covers the network. */
const NET = process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : [];

export const switches = {
  'Node’s switches: frozen intrinsics, no compiler, no eval, …': quick(async (context) => {
    const project = (await new Project(context).install(OWN)).write('app.cjs', CJS).write('app.mjs', ESM);
    for (const some of SWITCHES) {
      for (const app of ['app.cjs', 'app.mjs']) {
        const answer = await project.node([...some, app]);
        isAsHere(context, answer);
        if (context.expected.backend === 'uring') assert.doesNotMatch(answer.stderr, /IOURING|Deprecat/);
      }
    }
  }),

  'an environment with nothing in it, or with what there is not': quick(async (context) => {
    const project = (await new Project(context).install(OWN)).write('app.cjs', CJS);
    for (const env of [{}, { HOME: '/nonexistent', TMPDIR: '/proc', LANG: 'xx_YY.bogus', LC_ALL: 'xx_YY.bogus' }]) {
      const { stdout, status, stderr } = spawnSync(process.execPath, ['app.cjs'], { cwd: project.folder, env, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      isAsHere(context, JSON.parse(stdout));
    }
  }),

  'no addons, and the permission model': quick(async (context) => {
    const project = (await new Project(context).install(OWN)).write('app.cjs', CJS);
    const reads = [PERMISSION, '--allow-fs-read=*', ...NET];
    for (const args of [['--no-addons'], reads])
      isOnCore(await project.node([...args, 'app.cjs']), 'ERR_IOURING_BINARY_NOT_LOADABLE', /loading addons is disabled/);
    isAsHere(context, await project.node([...reads, '--allow-addons', 'app.cjs']));
  }),

  'a binary that nobody may read': quick(async (context) => {
    const project = (await new Project(context).install(OWN)).write('app.cjs', CJS);
    const [, binary] = context.packages;
    for (const folder of [project.folder, path.dirname(project.folder)]) chmodSync(folder, 0o755);
    chmodSync(project.file('node_modules', binary, `${binary.replace('transport-', 'transport.')}.node`), 0);
    isOnCore(await project.node(['app.cjs'], NOBODY), 'ERR_IOURING_BINARY_NOT_LOADABLE', /EACCES: permission denied, open/);
  }),

  'a folder that is mounted noexec': quick(async (context) => {
    const project = await new Project(context).install(OWN);
    mkdirSync(project.file('mounted'));
    const copied = project.file('copied');
    for (const name of context.packages)
      cpSync(project.file('node_modules', name), path.join(copied, 'node_modules', name), { recursive: true });
    project.write('copied/package.json', '{}').write('copied/app.cjs', CJS);
    // In a namespace of its own, which ends with it.
    const script = `mount -t tmpfs -o noexec none mounted && cp -r copied/. mounted && cd mounted && exec "${process.execPath}" app.cjs`;
    const namespace = ['--map-root-user', '--mount'];
    if (spawnSync('unshare', [...namespace, 'true']).status !== 0) return 'SKIPPED: no namespaces here';
    const { stdout } = await project.run('unshare', [...namespace, 'sh', '-c', script]);
    isOnCore(JSON.parse(stdout), 'ERR_IOURING_BINARY_NOT_LOADABLE', /failed to map segment|Operation not permitted/);
  }),
};
