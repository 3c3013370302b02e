/**
 * The ways in which people have a package: each function is given what it needs to make a project, and throws where the package does not work in it, or does not
 * say precisely why.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { isAsHere, isOnCore, NOBODY, OWN, quick } from './answers.mjs';
import { bundlers } from './bundlers.mjs';
import { layouts } from './layouts.mjs';
import { bunIn, CJS, ESM, NAMES, Project, SMOKE } from './project.mjs';
import { switches } from './switches.mjs';
import { compilers } from './compilers.mjs';

/** Milliseconds that an install of root and binary may take with an empty cache. */
const INSTALL_LIMIT = 2000;

/** Names and functions; `quick` ones fetch nothing but our own packages. */
export const scenarios = {
  'CommonJS, and the time that the install takes': quick(async (context) => {
    const project = new Project(context);
    const started = performance.now();
    await project.install(OWN);
    const took = Math.round(performance.now() - started);
    isAsHere(context, await project.write('app.cjs', CJS).node(['app.cjs']));
    const installed = readdirSync(project.file('node_modules')).filter((name) => !name.startsWith('.'));
    assert.deepEqual(installed, context.packages);
    return took > INSTALL_LIMIT ? `SLOW: ${took} ms` : `installed in ${took} ms`;
  }),

  'ES modules, and what is imported is what is required': quick(async (context) => {
    const project = await new Project(context).install(OWN);
    const same = NAMES.map((name) => `if (require('iouring-transport/${name}') !== ${name}) throw new Error('two of ${name}');`);
    isAsHere(
      context,
      await project.write('app.mjs', ESM.replace('await smoke', `${same.join('\n')}\nawait smoke`)).node(['app.mjs']),
    );
  }),

  'a worker thread': quick(async (context) => {
    const project = await new Project(context).install(OWN);
    project.write('worker.mjs', ESM).write('app.mjs', `new (await import('node:worker_threads')).Worker('./worker.mjs');`);
    isAsHere(context, await project.node(['app.mjs']));
  }),

  'register, from --import and from --require': quick(async (context) => {
    const project = await new Project(context).install(OWN);
    const cores = `${SMOKE} smoke(require('node:net'), require('dgram'), require('fs/promises'), require('iouring-transport').support);`;
    project.write('app.cjs', `require('assert').equal(require('net'), require('iouring-transport/net'));${cores}`);
    for (const how of ['--import', '--require'])
      isAsHere(context, await project.node([how, 'iouring-transport/register', 'app.cjs']));
  }),

  'two versions in one process': quick(async (context) => {
    const project = await new Project(context).install(OWN, `other@npm:${OWN}@${context.otherVersion}`);
    const second = `${SMOKE}\nconst other = (name) => require('other/' + name);
      smoke(other('net'), other('dgram'), other('fs'), require('other').support).then(() => {
        if (require('other/net') === require('iouring-transport/net')) throw new Error('one and the same');
        require('./first.cjs');
      });`;
    const { stdout } = await project.write('first.cjs', CJS).write('app.cjs', second).run(process.execPath, ['app.cjs']);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(answers.length, 2);
    for (const answer of answers) isAsHere(context, answer);
  }),

  '--omit=optional, and the binary’s package missing': quick(async (context) => {
    for (const how of ['omitted', 'removed']) {
      const project = new Project(context);
      await project.npm('install', ...(how === 'omitted' ? ['--omit=optional'] : []), OWN);
      if (how === 'removed') rmSync(project.file('node_modules', context.packages[1]), { recursive: true });
      isOnCore(await project.write('app.cjs', CJS).node(['app.cjs']), 'ERR_IOURING_NO_BINARY', /Cannot find module/);
    }
  }),

  'macOS and Windows, as far as process.platform tells': quick(async (context) => {
    const project = await new Project(context).install(OWN);
    project.write('mock.cjs', `Object.defineProperty(process, 'platform', { value: process.env.MOCKED });`).write('app.cjs', CJS);
    for (const MOCKED of ['darwin', 'win32']) {
      const answer = await project.node(['--require', './mock.cjs', 'app.cjs'], { env: { MOCKED } });
      isOnCore(answer, 'ERR_IOURING_NOT_LINUX');
      assert.equal(answer.stderr, '');
    }
  }),

  'npm ci from a lock file that was made on macOS': quick(async (context) => {
    const project = new Project(context);
    await project.npm('install', '--os=darwin', '--cpu=arm64', OWN);
    assert.ok(!existsSync(project.file('node_modules', context.packages[1])));
    await project.npm('ci');
    isAsHere(context, await project.write('app.cjs', CJS).node(['app.cjs']));
  }),

  'node_modules that nobody may write to': quick(async (context) => {
    const project = await new Project(context).install(OWN);
    project.write('app.cjs', CJS);
    assert.equal(spawnSync('chmod', ['-R', 'a-w,a+rX', project.folder]).status, 0);
    try {
      // Root may write all the same.
      if (NOBODY.uid !== undefined) spawnSync('chmod', ['a+x', path.dirname(project.folder)]);
      isAsHere(context, await project.node(['app.cjs'], NOBODY));
    } finally {
      spawnSync('chmod', ['-R', 'u+w', project.folder]);
    }
  }),

  'Next.js, the package outside of its bundle (serverExternalPackages)': async (context) => {
    const project = await new Project(context).install(OWN, 'next@16', 'react@19', 'react-dom@19');
    project.write('next.config.mjs', `export default { output: 'standalone', serverExternalPackages: ['iouring-transport'] };`);
    project.write('app/layout.js', `export default ({ children }) => <html><body>{children}</body></html>;`);
    project.write(
      'app/answer/route.js',
      `${ESM.split('await smoke')[0]}
      export const dynamic = 'force-dynamic';
      export const GET = async () => (await smoke(net, dgram, fs, support), new Response());`,
    );
    const env = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };
    await project.run(process.execPath, ['node_modules/next/dist/bin/next', 'build'], { env });
    // The build's own server, but on whatever port is free.
    const program = `const app = require('next')({ dev: false, dir: '.' });
      app.prepare().then(() => {
        const server = require('node:http').createServer(app.getRequestHandler()).listen(0, '127.0.0.1', async () => {
          const { status } = await fetch('http://127.0.0.1:' + server.address().port + '/answer');
          process.exit(status === 200 ? 0 : 1);
        });
      });`;
    isAsHere(context, await project.write('start.cjs', program).node(['start.cjs'], { env }));
  },

  ...switches,
  ...layouts,
  ...compilers,
  ...bundlers,

  'a single-executable application': async (context) => {
    const project = await new Project(context).install(OWN, 'postject');
    // What is not Node's own is not in the application: it is looked for beside the executable.
    const beside = `process.getBuiltinModule('module').createRequire(process.execPath)`;
    project.write('app.cjs', `((require) => {${CJS}})(${beside});`);
    project.write('sea.json', JSON.stringify({ main: 'app.cjs', output: 'app.blob', disableExperimentalSEAWarning: true }));
    await project.run(process.execPath, ['--experimental-sea-config', 'sea.json']);
    copyFileSync(process.execPath, project.file('app'));
    chmodSync(project.file('app'), 0o755);
    await project.run(process.execPath, [
      ...['node_modules/postject/dist/cli.js', 'app', 'NODE_SEA_BLOB', 'app.blob'],
      ...['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'],
    ]);
    const { stdout } = await project.run(project.file('app'), []);
    isAsHere(context, JSON.parse(stdout));
  },

  Bun: async (context) => {
    const project = await new Project(context).install(OWN, 'bun');
    const { stdout } = await project.write('app.cjs', CJS).run(bunIn(project), ['app.cjs']);
    isAsHere(context, JSON.parse(stdout));
  },

  Deno: async (context) => {
    const project = await new Project(context).install(OWN, 'deno');
    const [platform] = readdirSync(project.file('node_modules', '@deno')).filter((name) => /linux/.test(name));
    const program = project.file('node_modules', '@deno', platform, 'deno');
    project.write('app.cjs', CJS);
    const run = async (...allowed) => {
      const { stdout } = await project.run(program, ['run', '--no-prompt', ...allowed, '--node-modules-dir=manual', 'app.cjs']);
      return JSON.parse(stdout);
    };
    isAsHere(context, await run('--allow-all'));
    isAsHere(context, await run('--allow-read', '--allow-net', '--allow-ffi'));
    isOnCore(await run('--allow-read', '--allow-net'), 'ERR_IOURING_BINARY_NOT_LOADABLE', /Requires ffi access/);
  },
};
