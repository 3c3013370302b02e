/**
 * The ways in which people have a package: each function is given what it needs to make a project, and throws where the package does not work in it, or does not
 * say precisely why.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, chmodSync, cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { CJS, ESM, NAMES, Project, SMOKE } from './project.mjs';

/** Milliseconds that an install of root and binary may take with an empty cache. */
const INSTALL_LIMIT = 2000;
const OWN = 'iouring-transport';
/** Of the package, wherever it lies. */
const IMPORTS = `const [net, dgram, fs] = ['net', 'dgram', 'fs'].map((name) => require('iouring-transport/' + name));`;

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
      const user = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
      if (user.uid !== undefined) spawnSync('chmod', ['a+x', path.dirname(project.folder)]);
      isAsHere(context, await project.node(['app.cjs'], user));
    } finally {
      spawnSync('chmod', ['-R', 'u+w', project.folder]);
    }
  }),

  'TypeScript: node16, nodenext, bundler, node10, with skipLibCheck off': async (context) => {
    const project = await new Project(context, { type: 'module' }).install(OWN, 'typescript@5', '@types/node@22');
    const text = `import net, { Socket } from 'iouring-transport/net';
      import dgram from 'iouring-transport/dgram';
      import * as fs from 'iouring-transport/fs';
      import http from 'iouring-transport/http';
      import https from 'iouring-transport/https';
      import tls from 'iouring-transport/tls';
      import http2 from 'iouring-transport/http2';
      import 'iouring-transport/register';
      import { support, type Support } from 'iouring-transport';
      const socket: Socket = net.connect(1);
      const answer: Support = support();
      export { socket, answer, dgram, fs, http, https, tls, http2 };\n`;
    // Where no default exports are made up, core's modules are namespaces.
    const namespaces = text
      .replace(/import (\w+)(?:, (\{.+\}))? from ('.+');/g, 'import * as $1 from $3;')
      .replace('const socket: Socket', 'const socket: net.Socket');
    project.write('module.ts', text).write('common.cts', text).write('namespaces.ts', namespaces);
    const kinds = [
      ['node16', 'node16'],
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
      ['commonjs', 'node10'],
    ];
    for (const [module, moduleResolution] of kinds) {
      const compilerOptions = { module, moduleResolution, target: 'es2023', strict: true, skipLibCheck: false, noEmit: true };
      const files = /^node(?:16|next)$/.test(moduleResolution)
        ? ['module.ts', 'common.cts']
        : [module === 'commonjs' ? 'namespaces.ts' : 'module.ts'];
      project.write('tsconfig.json', JSON.stringify({ compilerOptions: { ...compilerOptions, types: ['node'] }, files }));
      await project.run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);
    }
  },

  esbuild: bundled('esbuild', (project, external) => {
    const program = readdirSync(project.file('node_modules', '@esbuild'))[0];
    return project.run(project.file('node_modules', '@esbuild', program, 'bin', 'esbuild'), [
      ...['app.cjs', '--bundle', '--platform=node', '--outfile=out/app.cjs'],
      ...(external ? ['--packages=external'] : []),
    ]);
  }),

  rolldown: bundled('rolldown', (project, external) =>
    project.run(process.execPath, [
      ...['node_modules/rolldown/bin/cli.mjs', 'app.cjs', '--platform', 'node', '--format', 'cjs', '--file', 'out/app.cjs'],
      ...(external ? ['--external', 'iouring-transport,iouring-transport/net,iouring-transport/dgram,iouring-transport/fs'] : []),
    ]),
  ),

  webpack: bundled('webpack', (project, external) => {
    const externals = external
      ? `[({ request }, done) => /^iouring-transport/.test(request) ? done(null, 'commonjs ' + request) : done()]`
      : '[]';
    project.write(
      'build.cjs',
      `require('webpack')({ mode: 'production', target: 'node', entry: './app.cjs', externals: ${externals},
         output: { path: __dirname + '/out', filename: 'app.cjs' } }, (error, stats) => {
         if (error || stats.hasErrors()) throw error ?? new Error(stats.toString());
       });`,
    );
    return project.run(process.execPath, ['build.cjs']);
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

  Jest: async (context) => {
    const project = await new Project(context).install(OWN, 'jest');
    project.write(
      'app.test.js',
      `${SMOKE}${IMPORTS}
      const say = jest.spyOn(console, 'log').mockImplementation((line) => process.stdout.write(line + '\\n'));
      test('works', () => smoke(net, dgram, fs, require('iouring-transport').support));`,
    );
    isAsHere(context, await project.node(['node_modules/jest/bin/jest.js']));
  },

  Vitest: async (context) => {
    const project = await new Project(context).install(OWN, 'vitest');
    const lines = ESM.split('await smoke')[0];
    project.write(
      'app.test.mjs',
      `import { test } from 'vitest';${lines}
      console.log = (line) => process.stdout.write(line + '\\n');
      test('works', () => smoke(net, dgram, fs, support));`,
    );
    isAsHere(context, await project.node(['node_modules/vitest/vitest.mjs', 'run']));
  },

  'pnpm’s isolated layout': async (context) => {
    const tool = await new Project(context).install('pnpm@10');
    const project = new Project(context);
    await project.run(process.execPath, [tool.file('node_modules/pnpm/bin/pnpm.cjs'), 'add', '--ignore-scripts', OWN]);
    isAsHere(context, await project.write('app.cjs', CJS).node(['app.cjs']));
  },

  'yarn’s Plug’n’Play': async (context) => {
    const tool = await new Project(context).install('@yarnpkg/cli-dist');
    const project = new Project(context);
    const yarn = (...args) =>
      project.run(process.execPath, [tool.file('node_modules/@yarnpkg/cli-dist/bin/yarn.js'), ...args], {
        env: {
          YARN_NPM_REGISTRY_SERVER: context.registry,
          YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
          YARN_ENABLE_TELEMETRY: '0',
          YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
          YARN_ENABLE_SCRIPTS: 'false',
          YARN_NPM_MINIMAL_AGE_GATE: '0',
        },
      });
    project.write('yarn.lock', '');
    await yarn('add', OWN);
    isAsHere(context, await project.write('app.cjs', CJS).node(['--require', './.pnp.cjs', 'app.cjs']));
  },

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
    const platform = readdirSync(project.file('node_modules', '@oven')).find((name) => /linux-(?:x64|aarch64)$/.test(name));
    const { stdout } = await project
      .write('app.cjs', CJS)
      .run(project.file('node_modules', '@oven', platform, 'bin', 'bun'), ['app.cjs']);
    isAsHere(context, JSON.parse(stdout));
  },

  Deno: async (context) => {
    const project = await new Project(context).install(OWN, 'deno');
    const [platform] = readdirSync(project.file('node_modules', '@deno')).filter((name) => /linux/.test(name));
    const program = project.file('node_modules', '@deno', platform, 'deno');
    const { stdout } = await project.write('app.cjs', CJS).run(program, ['run', '-A', '--node-modules-dir=manual', 'app.cjs']);
    isAsHere(context, JSON.parse(stdout));
  },
};

function quick(scenario) {
  return Object.assign(scenario, { quick: true });
}

/** An application that a bundler makes one file of, our package within it and outside of it; it runs where the binary's package can be found from. */
function bundled(bundler, build) {
  return async (context) => {
    const project = await new Project(context).install(OWN, bundler);
    project.write('app.cjs', CJS);
    for (const external of [true, false]) {
      await build(project, external);
      isAsHere(context, await project.node(['out/app.cjs']));
    }
    // Elsewhere there is no binary to be found, and that is what is said.
    const bare = new Project(context);
    cpSync(project.file('out'), bare.file('out'), { recursive: true });
    isOnCore(await bare.node(['out/app.cjs']), 'ERR_IOURING_NO_BINARY');
  };
}

function isAsHere({ expected }, { backend, reason, cause }) {
  assert.deepEqual({ backend, reason }, expected, cause);
}

function isOnCore(answer, expectedReason, expectedCause = /^/) {
  const { backend, reason, cause } = answer;
  assert.deepEqual({ backend, reason }, { backend: 'core', reason: expectedReason });
  assert.match(cause ?? '', expectedCause);
}
