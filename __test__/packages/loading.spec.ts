// The package as it lies in `node_modules`, with and without a binary that can be loaded: the import goes well in any case, and says why it runs on core.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import { needs } from '../_needs.ts';

const binary = readdirSync('.').find((name) => name.startsWith('iouring-transport.') && name.endsWith('.node'))!;
const platform = binary.replace('iouring-transport.', 'iouring-transport-').replace('.node', '');

interface Answer {
  readonly backend: string;
  readonly reason?: string;
  readonly message?: string;
  readonly cause?: string;
  readonly echoed: string;
}

/** Runs a program in a folder that has this package, and the one with the binary where there is one. `prepare` is given the folder of both. */
function inProject(t: ExecutionContext, prepare: (modules: string) => void, environment: Record<string, string> = {}): Answer {
  const project = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-loading-'));
  t.teardown(() => rmSync(project, { recursive: true, force: true }));
  const modules = path.join(project, 'node_modules');
  mkdirSync(path.join(modules, platform), { recursive: true });
  cpSync('dist', path.join(modules, 'iouring-transport', 'dist'), { recursive: true });
  cpSync('package.json', path.join(modules, 'iouring-transport', 'package.json'));
  writeFileSync(path.join(modules, platform, 'package.json'), JSON.stringify({ name: platform, main: binary }));
  cpSync(binary, path.join(modules, platform, binary));
  prepare(modules);
  const program = `
    const net = require('iouring-transport/net');
    const { support } = require('iouring-transport');
    const server = net.createServer((socket) => socket.end('echo')).listen(0, '127.0.0.1', () => {
      net.connect(server.address().port, '127.0.0.1').setEncoding('utf8').on('data', (echoed) => {
        server.close();
        const { cause, ...answer } = support();
        console.log(JSON.stringify({ ...answer, cause: cause?.message, echoed }));
      });
    });`;
  writeFileSync(path.join(project, 'program.cjs'), program);
  const { IOURING_TRANSPORT: _, ...inherited } = process.env;
  const { stdout, stderr, signal } = spawnSync(process.execPath, ['program.cjs'], {
    cwd: project,
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...inherited, ...environment },
  });
  t.is(signal, null, stderr);
  const answer = JSON.parse(stdout) as Answer;
  t.is(answer.echoed, 'echo');
  if (answer.backend === 'core') t.regex(stderr, /IOURING_TRANSPORT_FALLBACK/);
  return answer;
}

/** The environment of a program before which another one runs, which changes what core has. */
const after = (program: string) => ({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` });

const binaryIn = (modules: string) => path.join(modules, platform, binary);

test('with the binary’s package it is loaded', (t) => {
  const { reason } = inProject(t, () => {});
  t.false(/BINARY/.test(reason ?? ''), reason);
});

test('one within this package comes before one beside it, which may be of another version', (t) => {
  const { reason, message } = inProject(t, (modules) => {
    cpSync(path.join(modules, platform), path.join(modules, 'iouring-transport', 'node_modules', platform), { recursive: true });
    writeFileSync(binaryIn(modules), 'another');
  });
  t.false(/BINARY/.test(reason ?? ''), message);
});

test('without it the answer is that there is none, with the error of what was looked for', (t) => {
  const answer = inProject(t, (modules) => rmSync(path.join(modules, platform), { recursive: true }));
  t.is(answer.reason, 'ERR_IOURING_NO_BINARY');
  t.regex(answer.cause ?? '', new RegExp(`Cannot find module '${platform}'`));
  t.regex(answer.message ?? '', new RegExp(`^the native binary is not installed .*: Cannot find module '${platform}'$`));
});

test('so it is where its package is there and the binary is not', (t) => {
  t.is(inProject(t, (modules) => rmSync(binaryIn(modules))).reason, 'ERR_IOURING_NO_BINARY');
});

const full = readFileSync(binary).length;
for (const length of [0, 1, 63, 64, 4096, full >> 1, full - 4096, full - 1]) {
  test(`a binary cut down to ${length === full - 1 ? 'all but a byte' : `${length} bytes`} is not loaded`, (t) => {
    const answer = inProject(t, (modules) => truncateSync(binaryIn(modules), length));
    t.is(answer.reason, 'ERR_IOURING_BINARY_NOT_LOADABLE');
    t.regex(answer.message ?? '', length < 64 ? /not a 64-bit ELF file/ : /cut short/);
    t.is(answer.message, `the native binary could not be loaded: ${answer.cause}`);
  });
}

/** A binary with some bytes of its head replaced. */
const patched = (modules: string, at: number, ...bytes: number[]) => {
  const contents = readFileSync(binaryIn(modules));
  contents.set(bytes, at);
  writeFileSync(binaryIn(modules), contents);
};

test('a binary for another processor is named as one', (t) => {
  const { reason, message } = inProject(t, (modules) => patched(modules, 18, 243)); // RISC-V.
  t.is(reason, 'ERR_IOURING_BINARY_NOT_LOADABLE');
  t.regex(message ?? '', /for another processor \(ELF machine 243\)/);
});

test('something else by its name is named as that', (t) => {
  for (const contents of ['<html>404</html>', 'MZ'.padEnd(4096), '\x7fELF\x01\x01\x01'.padEnd(4096)]) {
    const answer = inProject(t, (modules) => writeFileSync(binaryIn(modules), contents));
    t.is(answer.reason, 'ERR_IOURING_BINARY_NOT_LOADABLE');
    t.regex(answer.message ?? '', /not a 64-bit ELF file/);
  }
});

test('a binary of another version is not used: it would lay the shared memory out otherwise', (t) => {
  const { reason, message } = inProject(t, (modules) => {
    const dist = path.join(modules, 'iouring-transport', 'dist');
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const name of readdirSync(dist).filter((file) => file.endsWith('.cjs'))) {
      const text = readFileSync(path.join(dist, name), 'utf8');
      writeFileSync(path.join(dist, name), text.replaceAll(`"${version}"`, '"0.0.0-other"'));
    }
  });
  t.is(reason, 'ERR_IOURING_BINARY_NOT_LOADABLE');
  t.regex(message ?? '', /it is of version [\d.]+, this is 0\.0\.0-other/);
});

const compiler = needs('a C compiler', spawnSync('cc', ['--version']).status === 0, test);

compiler('a runtime that allows no external buffers, as Electron does, is named as one', (t) => {
  // The binary asks for a function of another name, which answers as Electron's does.
  const [asked, other] = ['napi_create_external_arraybuffer', 'napi_refuse_external_arraybuffer'];
  const library = path.join(mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-electron-')), 'refuse.so');
  t.teardown(() => rmSync(path.dirname(library), { recursive: true, force: true }));
  const source = `int ${other}(void) { return 22; /* napi_no_external_buffers_allowed */ }`;
  t.is(spawnSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', library, '-'], { input: source }).status, 0);
  const renamed = (modules: string) => {
    const contents = readFileSync(binaryIn(modules), 'latin1');
    t.true(contents.includes(`\0${asked}\0`));
    writeFileSync(binaryIn(modules), contents.replace(`\0${asked}\0`, `\0${other}\0`), 'latin1');
  };
  const { backend, reason, message } = inProject(t, renamed, { LD_PRELOAD: library });
  t.is(backend, 'core');
  t.regex(`${reason} ${message}`, /^ERR_IOURING_SET_UP .*does not allow external ArrayBuffers/);
});

test('a folder by the binary’s name is none', (t) => {
  const answer = inProject(t, (modules) => {
    rmSync(binaryIn(modules));
    mkdirSync(binaryIn(modules));
    writeFileSync(path.join(binaryIn(modules), 'index.js'), '');
  });
  t.regex(answer.reason ?? '', /^ERR_IOURING_(?:NO_BINARY|BINARY_NOT_LOADABLE)$/);
});

test('wrappers that pass on every argument, given or not, as graceful-fs does, are no reason not to load it', (t) => {
  const program = `import fs from 'node:fs';
    const { readSync } = fs;
    fs.readSync = (fd, buffer, offset, length, position) => readSync.call(fs, fd, buffer, offset, length, position);`;
  const { reason, message } = inProject(t, () => {}, after(program));
  t.false(/BINARY/.test(reason ?? ''), message);
});

test('where neither variables nor the kernel’s release may be asked for, as in Deno, the import goes well', (t) => {
  const program = `import os from 'node:os';
    const refuse = () => { throw new Error('NotCapable'); };
    os.release = refuse;
    Object.defineProperty(process, 'env', { value: new Proxy({}, { get: (_, name) => /IOURING/.test(name) ? refuse() : undefined }) });`;
  const { reason, message } = inProject(t, () => {}, after(program));
  t.false(/BINARY/.test(reason ?? ''), message);
});

test('each binary’s package is asked for by its name in full, which tools that copy what a program needs can read', (t) => {
  const asked = readdirSync('dist').map((name) => (name.endsWith('.cjs') ? readFileSync(path.join('dist', name), 'utf8') : ''));
  for (const name of readdirSync('npm'))
    t.true(
      asked.some((text) => text.includes(`from("iouring-transport-${name}")`)),
      name,
    );
});
