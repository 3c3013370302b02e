/** TypeScript's checks, what runs it without them, and the runners of tests. */
import { rmSync, symlinkSync } from 'node:fs';
import process from 'node:process';
import { isAsHere, OWN } from './answers.mjs';
import { ESM, Project, SMOKE } from './project.mjs';

const TYPED = `import net, { Socket } from 'iouring-transport/net';
import dgram from 'iouring-transport/dgram';
import * as fs from 'iouring-transport/fs';
import http from 'iouring-transport/http';
import https from 'iouring-transport/https';
import tls from 'iouring-transport/tls';
import http2 from 'iouring-transport/http2';
import { Transport } from 'iouring-transport/transport';
import 'iouring-transport/register';
import { configure, support, type Support } from 'iouring-transport';
configure({ busyPoll: 50 });
const socket: Socket = net.connect(1);
const answer: Support = support();
const text: Promise<string> = fs.readFile('x', 'utf8');
export { socket, answer, text, dgram, http, https, tls, http2, Transport };
`;
/** The same where no default exports are made up: core's modules are namespaces. */
const NAMESPACES = TYPED.replace(/import (\w+)(?:, (\{.+\}))? from ('.+');/g, 'import * as $1 from $3;').replace(
  ': Socket',
  ': net.Socket',
);

const MODULES = ['module.ts', 'common.cts'];
/** What careful projects switch on. */
const CAREFUL = {
  isolatedModules: true,
  verbatimModuleSyntax: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
};
/** Versions of TypeScript and of core's typings that go together, options, and files. */
const CHECKS = [
  ...['5.0', '5.4', '5'].map((version) => [version, '20', { module: 'nodenext' }, MODULES]),
  ['5', '22', { module: 'node16' }, MODULES],
  ['5', '24', { module: 'esnext', moduleResolution: 'bundler', ...CAREFUL }, ['module.ts']],
  ['5', '22', { module: 'commonjs', moduleResolution: 'node10' }, ['namespaces.ts']],
  ['6', '25', { module: 'nodenext', ...CAREFUL }, ['module.ts']],
  ['6', '26', { module: 'preserve', moduleResolution: 'bundler' }, ['module.ts']],
  ['7', '26', { module: 'nodenext' }, MODULES],
];

const LISTENS = `const say = (line) => process.stdout.write(line + '\\n');`;
/** A test of the smoke, for a runner whose `test` is there. */
const tested = (before) => `${before}${ESM.split('await smoke')[0]}
${LISTENS}
console.log = say;
test('works', () => smoke(net, dgram, fs, support));
`;

export const compilers = {
  'TypeScript 5.0 to 7, typings of Node 20 to 26, all ways to resolve, with skipLibCheck off': async (context) => {
    const project = new Project(context, { type: 'module' });
    const versions = (index) => [...new Set(CHECKS.map((check) => check[index]))];
    await project.install(
      OWN,
      ...versions(0).map((version) => `typescript-${version}@npm:typescript@${version}`),
      ...versions(1).map((version) => `typings-${version}@npm:@types/node@${version}`),
    );
    project.write('module.ts', TYPED).write('common.cts', TYPED).write('namespaces.ts', NAMESPACES);
    const link = project.write('node_modules/@types/.keep', '').file('node_modules', '@types', 'node');
    for (const [typescript, typings, options, files] of CHECKS) {
      rmSync(link, { force: true });
      symlinkSync(`../typings-${typings}`, link);
      const compilerOptions = { target: 'es2022', strict: true, skipLibCheck: false, noEmit: true, types: ['node'], ...options };
      project.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
      await project.run(process.execPath, [`node_modules/typescript-${typescript}/bin/tsc`, '-p', '.']);
    }
  },

  'tsx, ts-node, and Node’s own stripping of types': async (context) => {
    const project = await new Project(context).install(OWN, 'tsx', 'ts-node', 'typescript@5', '@types/node@22');
    const program = `import net = require('iouring-transport/net');
      import dgram = require('iouring-transport/dgram');
      import fs = require('iouring-transport/fs');
      import { support } from 'iouring-transport';
      ${SMOKE.replace('(net, dgram, fs, support)', '(net: any, dgram: any, fs: any, support: any): Promise<void>')}
      void smoke(net, dgram, fs, support);`;
    project.write('app.ts', program).write('stripped.mts', ESM.replace('const require =', 'const require: NodeRequire ='));
    const compilerOptions = { module: 'commonjs', moduleResolution: 'node10', types: ['node'], target: 'es2022' };
    project.write('tsconfig.json', JSON.stringify({ compilerOptions }));
    // esbuild's own program, which tsx needs, is there without its script.
    for (const args of [
      ['--import', 'tsx'],
      ['--require', 'ts-node/register'],
    ])
      isAsHere(context, await project.node([...args, 'app.ts']));
    if (process.features.typescript) isAsHere(context, await project.node(['stripped.mts']));
  },

  'Jest, for CommonJS and for ES modules': async (context) => {
    const project = await new Project(context).install(OWN, 'jest');
    const jest = 'node_modules/jest/bin/jest.js';
    const required = ['net', 'dgram', 'fs'].map((name) => `require('iouring-transport/${name}')`);
    project.write(
      'app.test.js',
      `${SMOKE}${LISTENS}
      jest.spyOn(console, 'log').mockImplementation(say);
      test('works', () => smoke(${required.join(', ')}, require('iouring-transport').support));`,
    );
    isAsHere(context, await project.node([jest]));
    project.write('app.test.mjs', tested(''));
    isAsHere(context, await project.node(['--experimental-vm-modules', jest, '--testMatch', '**/*.test.mjs']));
  },

  'Vitest, in each of its pools': async (context) => {
    const project = await new Project(context).install(OWN, 'vitest');
    project.write('app.test.mjs', tested(`import { test } from 'vitest';`));
    for (const pool of ['forks', 'threads', 'vmThreads', 'vmForks'])
      isAsHere(context, await project.node(['node_modules/vitest/vitest.mjs', 'run', `--pool=${pool}`]));
  },

  'node:test, Mocha and tap': async (context) => {
    const project = await new Project(context).install(OWN, 'mocha', 'tap');
    project.write('node.mjs', tested(`import test from 'node:test';`)).write('tap.mjs', tested(`import { test } from 'tap';`));
    project.write('mocha.mjs', tested('const test = it;'));
    isAsHere(context, await project.node(['node.mjs']));
    isAsHere(context, await project.node(['tap.mjs']));
    isAsHere(context, await project.node(['node_modules/mocha/bin/mocha.js', 'mocha.mjs']));
  },
};
