// What a listener throws is told where it was thrown: in its async context, and in its domain. Everything else goes on.
import { createHook } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import process from 'node:process';
import test from 'ava';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { run } from './_child.ts';
import { listening, nothingLeft, onRing, pair, track } from './_sockets.ts';

const APP = fileURLToPath(new URL('apps/exceptions.mjs', import.meta.url));
const exec = promisify(execFile);
const KEEPS_STORES = Number(process.versions.node.split('.')[0]) >= 24;

test.afterEach.always(nothingLeft);

async function outcomes(modules: string): Promise<string[]> {
  const { stdout } = await exec(process.execPath, [APP, modules], { timeout: 60_000 });
  const lines = stdout.trim().split('\n');
  // From Node 24 on, what core makes at the root of the event loop has the store of the exception before.
  return KEEPS_STORES ? lines.filter((line) => !/accepted|^upgrade/.test(line)) : lines;
}

test.serial('an exception is reported in the context that it was thrown in, as core reports it', async (t) => {
  const [ours, cores] = await Promise.all([outcomes('iouring-transport/'), outcomes('node:')]);
  t.deepEqual(ours, cores);
  t.true(ours.length > 40, 'every scenario has thrown');
});

test.serial('an exception is reported to the innermost domain', async (t) => {
  const { stdout, stderr } = await run(`
    import domain from 'node:domain';
    import http from 'iouring-transport/http';
    const outer = domain.create().on('error', (error) => console.log('outer', error.message));
    outer.run(() => {
      const server = http.createServer((request, response) => {
        const inner = domain.create().on('error', (error) => {
          console.log('inner', error.message);
          if (error.message === 'close') process.exit();
        });
        inner.add(request);
        inner.add(response);
        inner.run(() => {
          response.on('close', () => { throw new Error('close'); });
          setTimeout(() => client.destroy(), 20);
          throw new Error('request');
        });
      });
      let client;
      server.listen(0, '127.0.0.1', () => {
        client = http.get({ port: server.address().port, host: '127.0.0.1', agent: false }).on('error', () => {});
      });
    });`);
  t.deepEqual(stdout.split('\n'), ['inner request', 'inner close'], stderr);
});

test.serial('a request after one whose listener has thrown is served, on the same connection', async (t) => {
  const { stdout } = await run(`
    import http from 'iouring-transport/http';
    let thrown = 0;
    process.on('uncaughtException', () => thrown++);
    const server = http.createServer((request, response) => {
      response.end(request.url);
      if (request.url === '/1') throw new Error('planned');
      request.on('data', () => { throw new Error('planned'); });
    }).listen(0, '127.0.0.1', () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      let last;
      const get = (path) => new Promise((resolve) => http.request({ port: server.address().port, host: '127.0.0.1', agent, path, method: 'POST' }, (response) => {
        const again = last === undefined ? '' : response.socket === last ? ' again' : ' anew';
        last = response.socket;
        response.on('data', (bytes) => console.log(bytes + again)).on('end', () => setImmediate(resolve));
      }).end('x'));
      get('/1').then(() => get('/2')).then(() => get('/3')).then(() => { console.log(thrown); process.exit(); });
    });`);
  t.deepEqual(stdout.split('\n'), ['/1', '/2 again', '/3 again', '3']);
});

test.serial('an uncaught exception ends a worker, and nobody else', async (t) => {
  const { stdout, code } = await run(`
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(\`
      import net from 'iouring-transport/net';
      net.createServer((socket) => socket.on('data', () => { throw new Error('planned'); }))
        .listen(0, '127.0.0.1', function () { net.connect(this.address().port, '127.0.0.1').write('x'); });
    \`, { eval: true, type: 'module', execArgv: ['--input-type=module'] });
    worker.on('error', (error) => console.log('error', error.message)).on('exit', (code) => console.log('exit', code));`);
  t.deepEqual([code, stdout], [0, 'error planned\nexit 1']);
});

test.serial('an exception that nobody takes ends the process with its stack', async (t) => {
  const { code, stderr } = await run(`
    net.createServer((socket) => socket.on('data', function here() { throw new Error('planned'); }))
      .listen(0, '127.0.0.1', function () { net.connect(this.address().port, '127.0.0.1').write('x'); });`);
  t.is(code, 1);
  t.regex(stderr, /Error: planned\n {4}at .*here/);
});

test.serial('microtasks run between two reads where deprecations are pending, whoever wakes the loop', async (t) => {
  for (const driver of ['uv', 'waiter']) {
    const { stdout } = await run(
      `
      import core from 'node:net';
      const SIZE = 6 * 64 * 1024;
      net.createServer(async (socket) => {
        let got = 0;
        socket.once('end', () => { console.log(got === SIZE); process.exit(); });
        for (;;) got += (await once(socket, 'data'))[0].length;
      }).listen(0, '127.0.0.1', function () {
        const client = core.connect(this.address().port, '127.0.0.1', () => {
          client.end(Buffer.alloc(SIZE));
          for (const until = Date.now() + 100; Date.now() < until; );
        });
      });`,
      `export NODE_OPTIONS=--pending-deprecation IOURING_TRANSPORT_DRIVER=${driver}`,
    );
    t.is(stdout, 'true', driver);
  }
});

needs('io_uring', onRing)('resources of async_hooks tell whose they are', async (t) => {
  const resources: { type: string; resource: object }[] = [];
  const hook = createHook({
    init(_id, type, _trigger, resource) {
      if (/^(TCP|PIPE)(SERVER)?WRAP$/.test(type)) resources.push({ type, resource });
    },
  }).enable();
  const { server, client, peer } = await pair();
  const unix = await listening({}, undefined, { path: `\0iouring-owner-${process.pid}` });
  const unixPeer = await new Promise((resolve) => {
    unix.once('connection', resolve);
    track(net.connect(unix.address() as string));
  });
  hook.disable();

  const ownersOf = (wanted: string) =>
    resources.filter(({ type }) => type === wanted).map(({ resource }) => (resource as { owner: unknown }).owner);
  t.deepEqual(ownersOf('TCPSERVERWRAP'), [server]);
  t.deepEqual(new Set(ownersOf('TCPWRAP')), new Set([client, peer]));
  t.deepEqual(ownersOf('PIPESERVERWRAP'), [unix]);
  t.is(ownersOf('PIPEWRAP').length, 2);
  t.true(ownersOf('PIPEWRAP').includes(unixPeer));
});
