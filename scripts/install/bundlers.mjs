/** Tools that make one file of an application, or copy what it needs to another place. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync } from 'node:fs';
import process from 'node:process';
import { isAsHere, isOnCore, OWN } from './answers.mjs';
import { bunIn, CJS, ESM, Project } from './project.mjs';

/** Files of this package that a program with `net`, `dgram` and `fs` needs, at most. */
const FILES_LIMIT = 20;

export const bundlers = {
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

  'rollup, into CommonJS and ES modules': async (context) => {
    const plugins = ['@rollup/plugin-node-resolve', '@rollup/plugin-commonjs'];
    const project = await new Project(context).install(OWN, 'rollup', ...plugins);
    project.write('app.cjs', CJS);
    for (const [format, file] of Object.entries({ cjs: 'out/app.cjs', es: 'out/app.mjs' })) {
      const args = ['app.cjs', '--format', format, '--file', file, ...plugins.flatMap((plugin) => ['--plugin', plugin])];
      await project.run(process.execPath, ['node_modules/rollup/dist/bin/rollup', ...args]);
      isAsHere(context, await project.node([file]));
    }
  },

  'Vite’s bundle for servers': async (context) => {
    const project = (await new Project(context).install(OWN, 'vite')).write('app.mjs', ESM);
    for (const noExternal of [false, true]) {
      const config = { build: { ssr: 'app.mjs', outDir: 'out' }, ...(noExternal && { ssr: { noExternal } }), logLevel: 'error' };
      project.write('vite.config.mjs', `export default ${JSON.stringify(config)};`);
      await project.run(process.execPath, ['node_modules/vite/bin/vite.js', 'build']);
      isAsHere(context, await project.node(['out/app.mjs']));
    }
  },

  '@vercel/ncc': async (context) => {
    const project = (await new Project(context).install(OWN, '@vercel/ncc')).write('app.cjs', CJS);
    await project.run(process.execPath, ['node_modules/@vercel/ncc/dist/ncc/cli.js', 'build', 'app.cjs', '-o', 'out']);
    isAsHere(context, await project.node(['out/index.cjs']));
  },

  '@vercel/nft, with which Next.js, Nitro and others copy what is needed': async (context) => {
    const project = await new Project(context).install(OWN, '@vercel/nft');
    // With register: what it answers with is needed, too.
    const cores = CJS.replaceAll(/require\('iouring-transport\/(net|dgram)'\)/g, "require('node:$1')");
    project.write('app.cjs', CJS).write('registered.cjs', `require('iouring-transport/register');${cores}`);
    const trace = `require('@vercel/nft').nodeFileTrace([process.argv[2]]).then(({ fileList }) => {
      console.log(JSON.stringify({ files: [...fileList] }));
    });`;
    project.write('trace.cjs', trace);
    for (const app of ['app.cjs', 'registered.cjs']) {
      const { files } = await project.node(['trace.cjs', app]);
      if (app === 'app.cjs') assert.ok(files.length < FILES_LIMIT, files.join());
      const bare = new Project(context);
      for (const file of files) cpSync(project.file(file), bare.file(file));
      isAsHere(context, await bare.node([app]));
    }
  },

  'Bun’s programs, which find nothing outside of themselves': async (context) => {
    const project = (await new Project(context).install(OWN, 'bun')).write('app.cjs', CJS);
    const bun = bunIn(project);
    await project.run(bun, ['build', '--compile', 'app.cjs', '--outfile', 'app']);
    const { stdout } = await project.run(project.file('app'), []);
    isOnCore(JSON.parse(stdout), 'ERR_IOURING_NO_BINARY');
  },
};

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
