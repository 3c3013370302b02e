// The `onread` option: bytes go into the caller's own buffer.
import { once } from 'node:events';
import core from 'node:net';
import test from 'ava';
import net from 'iouring-transport/net';
import { run } from './_child.ts';
import { nothingLeft, pair, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('one buffer again and again, in order', async (t) => {
  const buffer = Buffer.alloc(1000);
  const parts: string[] = [];
  const onread = {
    buffer,
    callback: (length: number, given: Uint8Array) => {
      if (given !== buffer) t.fail();
      parts.push(buffer.toString('latin1', 0, length));
      return true;
    },
  };
  const { client, peer } = await pair({}, { onread });
  const sent = Array.from({ length: 5000 }, (_, i) => String(i)).join(' ');
  peer.end(sent);
  client.resume();
  await once(client, 'end');
  t.is(parts.join(''), sent);
  t.true(parts.every(({ length }) => length <= 1000));
});

test.serial('a function that hands out buffers, and false to pause', async (t) => {
  let received = '';
  let calls = 0;
  let paused = 0;
  const onread = {
    buffer: () => Buffer.alloc(++calls % 2 === 0 ? 100 : 64),
    callback: (length: number, buffer: Uint8Array) => {
      received += Buffer.from(buffer).toString('latin1', 0, length);
      if (calls % 7 !== 0) return true;
      paused++;
      setTimeout(() => resume(), 1);
      return false;
    },
  };
  let resume = (): void => {};
  const { client, peer } = await pair({}, { onread });
  resume = () => client.resume();
  const sent = 'onread'.repeat(2000);
  peer.end(sent);
  await once(client.resume(), 'end');
  t.is(received, sent);
  t.true(paused > 5);
});

test.serial('what lies behind a callback that throws comes, and the end, once the exception was reported', async (t) => {
  const play = async (module: string): Promise<string[]> => {
    const { stdout, stderr } = await run(`
      import module from '${module}';
      process.on('uncaughtException', ({ message }) => console.log('uncaught', message));
      const server = module.createServer((peer) => peer.end('0123456789abcdefghij')).listen(0, '127.0.0.1', () => {
        let calls = 0;
        const buffer = Buffer.alloc(8);
        const callback = (length) => {
          console.log(buffer.toString('latin1', 0, length));
          if (++calls === 2) setTimeout(() => client.resume(), 20);
          if (calls === 2) return false;
          throw new Error(calls);
        };
        const client = module.connect({ port: server.address().port, host: '127.0.0.1', onread: { buffer, callback } });
        client.on('end', () => console.log('end', client.bytesRead)).on('close', () => server.close());
      });`);
    return (stdout || stderr).split('\n');
  };
  const ours = await play('iouring-transport/net');
  t.deepEqual(ours, await play('node:net'));
  t.deepEqual(ours, ['01234567', 'uncaught 1', '89abcdef', 'ghij', 'uncaught 3', 'end 20']);
});

test.serial("bytes and the end that were held back come after 'resume'", async (t) => {
  const play = async (module: Pick<typeof core, 'connect' | 'createServer'>): Promise<string[]> => {
    const log: string[] = [];
    const server = track(module.createServer((peer) => track(peer).end('0123456789')));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const buffer = Buffer.alloc(5);
    const callback = (length: number): boolean => {
      log.push(buffer.toString('latin1', 0, length));
      setTimeout(() => {
        log.push('resuming');
        client.resume();
        log.push('resumed');
      }, 20);
      client.pause();
      return false;
    };
    const client = track(
      module.connect({ port: portOf(server), host: '127.0.0.1', onread: { buffer, callback } } as core.NetConnectOpts),
    );
    for (const event of ['pause', 'resume', 'end'] as const) client.on(event, () => log.push(event));
    await once(client, 'close');
    return log;
  };
  t.deepEqual(await play(net), await play(core));
});
