/**
 * An empty project of somebody else's, with our package from the local registry, no scripts run, and no Rust in reach.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const TIMEOUT = 180_000;

/** What a program in a project does to find out whether the package works: an echo, a datagram, a file. One line of JSON. */
export const SMOKE = `
async function smoke(net, dgram, fs, support) {
  const { once } = require('node:events');
  const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect(server.address().port, '127.0.0.1').setEncoding('utf8');
  client.write('stream');
  const [stream] = await once(client, 'data');
  client.destroy();
  server.close();
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.send('datagram', socket.address().port, '127.0.0.1');
  const [datagram] = await once(socket, 'message');
  socket.close();
  const file = await fs.readFile('package.json', 'utf8');
  const { backend, reason, cause } = support();
  const done = [stream, String(datagram), file.length > 0].join();
  if (done !== 'stream,datagram,true') throw new Error(done);
  console.log(JSON.stringify({ backend, reason, cause: cause?.message }));
}
`;
export const NAMES = ['net', 'dgram', 'fs'];
export const CJS = `${SMOKE}
smoke(${NAMES.map((name) => `require('iouring-transport/${name}')`).join(', ')}, require('iouring-transport').support);
`;
export const ESM = `${NAMES.map((name) => `import ${name} from 'iouring-transport/${name}';\n`).join('')}
import { support } from 'iouring-transport';
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
${SMOKE}
await smoke(${NAMES.join(', ')}, support);
`;

export class Project {
  /** @param {{ scratch: string, registry: string }} context */
  constructor({ scratch, registry }, manifest = {}) {
    this.folder = mkdtempSync(path.join(scratch, 'project-'));
    this.cache = path.join(scratch, 'npm-cache');
    this.registry = registry;
    const rust = /[\\/]\.?(?:cargo|rustup)[\\/]/;
    this.env = {
      HOME: path.join(scratch, 'home'),
      PATH: process.env.PATH.split(path.delimiter)
        .filter((folder) => !rust.test(`${folder}/`))
        .join(path.delimiter),
      npm_config_registry: `${registry}/`,
      npm_config_cache: this.cache,
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_update_notifier: 'false',
      npm_config_ignore_scripts: 'true',
    };
    mkdirSync(this.env.HOME, { recursive: true });
    this.write('package.json', JSON.stringify({ name: 'app', version: '1.0.0', private: true, ...manifest }));
  }

  file(...names) {
    return path.join(this.folder, ...names);
  }

  write(name, text) {
    mkdirSync(path.dirname(this.file(name)), { recursive: true });
    writeFileSync(this.file(name), text);
    return this;
  }

  /** Runs a command in the project. @returns what it printed; throws, with all of that, where it fails. */
  run(command, args, { env = {}, ...options } = {}) {
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        cwd: this.folder,
        env: { ...this.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: TIMEOUT,
        ...options,
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (data) => (stdout += data));
      child.stderr.on('data', (data) => (stderr += data));
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (code === 0) resolve({ stdout, stderr });
        else reject(new Error(`${path.basename(command)} ${args.join(' ')} ended with ${signal ?? code}\n${stdout}${stderr}`));
      });
    });
  }

  npm(...args) {
    return this.run('npm', args);
  }

  async install(...packages) {
    await this.npm('install', ...packages);
    return this;
  }

  /** Runs a program of the project and gives the answer that it printed. */
  async node(args, options) {
    const { stdout, stderr } = await this.run(process.execPath, args, options);
    const answer = stdout.split('\n').find((line) => line.startsWith('{"'));
    if (answer === undefined) throw new Error(`no answer: ${stdout}${stderr}`);
    return { ...JSON.parse(answer), stderr };
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Bun's program in a project that has it installed: without its script, it is where its package for this processor lies. */
export function bunIn(project) {
  const name = readdirSync(project.file('node_modules', '@oven')).find((each) => /linux-(?:x64|aarch64)$/.test(each));
  return project.file('node_modules', '@oven', name, 'bin', 'bun');
}
