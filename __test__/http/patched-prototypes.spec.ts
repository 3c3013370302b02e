/**
 * Who patches a class of `net`, as tracers do, patches the servers of http that inherit from it: with core and ours alike.
 */
import { once } from 'node:events';
import type coreHttp from 'node:http';
import { createRequire } from 'node:module';
import type coreNet from 'node:net';
import core from 'node:net';
import test from 'ava';

const require = createRequire(import.meta.url);

for (const [which, prefix] of [
  ['core', 'node:'],
  ['ours', 'iouring-transport/'],
] as const) {
  const net = require(`${prefix}net`) as typeof coreNet;
  const http = require(`${prefix}http`) as typeof coreHttp;

  test.serial(`methods of net.Server that are replaced, ${which}`, async (t) => {
    const members = net.Server.prototype as unknown as Record<string, Function>;
    const names = ['listen', 'address', 'ref', 'unref', 'getConnections', 'close'];
    const originals = names.map((name) => members[name]);
    const asked: string[] = [];
    for (const [place, name] of names.entries()) {
      members[name] = function (this: unknown, ...args: unknown[]) {
        asked.push(name);
        return Reflect.apply(originals[place], this, args) as unknown;
      };
    }
    try {
      const server = http.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      server.address();
      server.ref().unref();
      server.getConnections(() => {});
      server.close();
      await once(server, 'close');
    } finally {
      for (const [place, name] of names.entries()) members[name] = originals[place];
    }
    t.deepEqual(asked, names);
    t.is(http.Server.prototype.listen as unknown, net.Server.prototype.listen);
  });

  test.serial(`a method that is replaced for one class of servers, ${which}`, async (t) => {
    class Mine extends http.Server {}
    const { address } = Mine.prototype;
    Mine.prototype.address = function () {
      return `${JSON.stringify(Reflect.apply(address, this, []))} told`;
    };
    const server = new Mine();
    t.is(server.address(), 'null told');
    t.is(http.createServer().address(), null);
    server.ref = () => server;
    t.true(Object.hasOwn(server, 'ref'));
    t.false(Object.hasOwn(Mine.prototype, 'ref'));
  });
}

test('who goes through the methods of a class finds those that core shows', (t) => {
  const net = require('iouring-transport/net') as typeof coreNet;
  for (const name of ['Socket', 'Server'] as const) {
    const shown = Object.keys(net[name].prototype);
    const missing = Object.keys(core[name].prototype).filter((key) => !shown.includes(key));
    // The former writes to a handle of core's.
    t.deepEqual(
      missing.filter((key) => key !== '_writeGeneric'),
      [],
    );
  }
});
