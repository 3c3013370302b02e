/** How package managers lay `node_modules` out. */
import assert from 'node:assert/strict';
import path from 'node:path';
import process from 'node:process';
import { isAsHere, OWN, quick } from './answers.mjs';
import { bunIn, CJS, Project } from './project.mjs';

/** A tool of another project, which is not in the one that it is used in. */
async function toolOf(context, name, file) {
  const tool = await new Project(context).install(name);
  return (project, args, options) => project.run(process.execPath, [tool.file('node_modules', file), ...args], options);
}

export const layouts = {
  'npm’s workspaces, with a version each': quick(async (context) => {
    const project = new Project(context, { workspaces: ['one', 'other'] });
    const versions = { one: 'latest', other: context.otherVersion };
    for (const [name, version] of Object.entries(versions)) {
      const manifest = { name, version: '1.0.0', dependencies: { [OWN]: version } };
      project.write(`${name}/package.json`, JSON.stringify(manifest)).write(`${name}/app.cjs`, CJS);
    }
    await project.install();
    for (const name of Object.keys(versions)) isAsHere(context, await project.node([`${name}/app.cjs`]));
  }),

  'npm install with links, nested, and of a folder': quick(async (context) => {
    for (const strategy of ['linked', 'nested']) {
      const project = new Project(context).write('app.cjs', CJS);
      await project.npm('install', `--install-strategy=${strategy}`, OWN);
      isAsHere(context, await project.node(['app.cjs']));
    }
    const source = await new Project(context).install(OWN);
    const project = await new Project(context).install(source.file('node_modules', OWN));
    isAsHere(context, await project.write('app.cjs', CJS).node(['app.cjs']));
  }),

  'npm run with register, which has npm itself on the ring': quick(async (context) => {
    const first = await new Project(context).install(OWN);
    const project = new Project(context, { scripts: { start: 'node app.cjs' } }).write('app.cjs', CJS);
    const env = { NODE_OPTIONS: `--import=${first.file('node_modules', OWN, 'dist', 'register.mjs')}` };
    for (const args of [['install', OWN], ['start']]) {
      const { stderr } = await project.run('npm', args, { env });
      if (context.expected.backend === 'uring') assert.doesNotMatch(stderr, /IOURING/);
    }
    isAsHere(context, await project.node(['app.cjs']));
  }),

  'pnpm: isolated, hoisted, and pnpm deploy': async (context) => {
    const pnpm = await toolOf(context, 'pnpm@10', 'pnpm/bin/pnpm.cjs');
    for (const linker of ['isolated', 'hoisted']) {
      const project = new Project(context).write('.npmrc', `node-linker=${linker}\n`).write('app.cjs', CJS);
      await pnpm(project, ['add', '--ignore-scripts', OWN]);
      isAsHere(context, await project.node(['app.cjs']));
    }
    const project = new Project(context).write('pnpm-workspace.yaml', 'packages: [service]\n').write('service/app.cjs', CJS);
    const manifest = { name: 'service', version: '1.0.0', dependencies: { [OWN]: 'latest' } };
    project.write('service/package.json', JSON.stringify(manifest));
    await pnpm(project, ['install', '--ignore-scripts']);
    await pnpm(project, ['--filter', 'service', 'deploy', '--legacy', '--prod', 'deployed']);
    isAsHere(context, await project.node(['app.cjs'], { cwd: project.file('deployed') }));
  },

  'yarn 1': async (context) => {
    const yarn = await toolOf(context, 'yarn@1', 'yarn/bin/yarn.js');
    const project = new Project(context).write('app.cjs', CJS);
    await yarn(project, [
      '--registry',
      context.registry,
      '--cache-folder',
      project.file('cache'),
      '--ignore-scripts',
      'add',
      OWN,
    ]);
    isAsHere(context, await project.node(['app.cjs']));
  },

  'yarn: Plug’n’Play, and node_modules': async (context) => {
    const yarn = await toolOf(context, '@yarnpkg/cli-dist', '@yarnpkg/cli-dist/bin/yarn.js');
    const env = {
      YARN_NPM_REGISTRY_SERVER: context.registry,
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      YARN_ENABLE_TELEMETRY: '0',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      YARN_ENABLE_SCRIPTS: 'false',
      YARN_NPM_MINIMAL_AGE_GATE: '0',
    };
    for (const linker of ['pnp', 'node-modules']) {
      const project = new Project(context).write('yarn.lock', '').write('app.cjs', CJS);
      await yarn(project, ['add', OWN], { env: { ...env, YARN_NODE_LINKER: linker } });
      isAsHere(context, await project.node([...(linker === 'pnp' ? ['--require', './.pnp.cjs'] : []), 'app.cjs']));
    }
  },

  'Bun’s installer, hoisted and isolated, and its test runner': async (context) => {
    const tool = await new Project(context).install('bun');
    const bun = bunIn(tool);
    for (const linker of ['hoisted', 'isolated']) {
      const project = new Project(context).write('bunfig.toml', `[install]\nregistry = "${context.registry}/"\n`);
      await project.run(bun, ['add', `--linker=${linker}`, '--ignore-scripts', OWN]);
      isAsHere(context, await project.write('app.cjs', CJS).node(['app.cjs']));
      const test = `${CJS.replace(/\nsmoke\((.*)\);\n$/, `\nrequire('bun:test').test('works', () => smoke($1));\n`)}`;
      await project.write('app.test.cjs', test).run(bun, ['test', path.join(project.folder, 'app.test.cjs')]);
    }
  },
};
