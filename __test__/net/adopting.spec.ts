// The `fd` option: a descriptor that core uses is refused as core refuses it.
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import core from 'node:net';
import test from 'ava';
import { stats } from 'iouring-transport';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { nothingLeft, onRing, portOf, track } from './_sockets.ts';

const serial = needs('io_uring', onRing);
test.afterEach.always(nothingLeft);

interface Inside {
  _handle: { fd: number };
}

const inside = (thing: core.Socket | core.Server): Inside['_handle'] => (thing as unknown as Inside)._handle;

for (const kind of ['TCP', 'UNIX'] as const) {
  const where = (): core.ListenOptions =>
    kind === 'TCP' ? { port: 0, host: '127.0.0.1' } : { path: `\0adopting-${kind}-${process.pid}` };

  serial(`a ${kind} connection that core reads`, async (t) => {
    const server = track(core.createServer().listen(where()));
    await once(server, 'listening');
    const theirs = track(
      core.connect(kind === 'TCP' ? { port: portOf(server), host: '127.0.0.1' } : { path: server.address() as string }),
    );
    await once(theirs, 'connect');
    theirs.resume();
    const { fd } = inside(theirs);
    const refusals = [core, net].map((module) => t.throws(() => new module.Socket({ fd })));
    t.deepEqual(
      refusals.map(({ message }) => message),
      ['open EEXIST', 'open EEXIST'],
    );
    t.notThrows(() => fstatSync(fd));
    t.is(stats().handles, 0);
  });

  serial(`a ${kind} server of core’s that listens`, async (t) => {
    const server = track(core.createServer().listen(where()));
    await once(server, 'listening');
    const { fd } = inside(server);
    const refusals: string[] = [];
    for (const module of [core, net]) {
      const second = track(module.createServer().listen({ fd }));
      const [error] = (await once(second, 'error')) as [Error];
      refusals.push(error.message);
    }
    t.is(refusals[1], refusals[0]);
    t.regex(refusals[1], /EEXIST/);
  });
}
