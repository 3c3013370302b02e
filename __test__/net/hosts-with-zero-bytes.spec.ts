// From Node 22 on core gives no name with a zero byte to a lookup, and none that is no string: what comes behind it would be lost on the way.
import core from 'node:net';
import process from 'node:process';
import test from 'ava';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { nothingLeft } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const checked = needs('Node 22', Number.parseInt(process.versions.node, 10) >= 22);

checked('a host with a zero byte, or of another type', (t) => {
  const lookup = () => t.fail('it was looked up');
  for (const host of ['127.0.0.1\0.example.org', '\0', 5, {}, true] as unknown[]) {
    const [expected, found] = [core, net].map((module) => {
      const socket = new module.Socket();
      const error = t.throws<NodeJS.ErrnoException>(() => socket.connect({ port: 1, host, lookup } as never));
      socket.destroy();
      return [error?.code, error?.message];
    });
    t.deepEqual(found, expected);
  }
});
