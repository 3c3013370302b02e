// `instanceof` holds both ways between core's classes and ours, both can be called without `new`, and neither runs the other's code.
import core from 'node:net';
import { inherits } from 'node:util';
import test from 'ava';
import net from 'iouring-transport/net';
import { nothingLeft, onRing } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test('ours are instances of core’s classes, and core’s of ours', (t) => {
  t.true(new net.Socket() instanceof core.Socket);
  t.true(new net.Server() instanceof core.Server);
  t.true(new core.Socket() instanceof net.Socket);
  t.true(new core.Server() instanceof net.Server);
  t.false({} instanceof net.Socket);
  t.is(net.Stream, net.Socket);
});

test('a subclass has its own instances alone', (t) => {
  class Mine extends net.Socket {}
  t.true(new Mine() instanceof Mine);
  t.true(new Mine() instanceof net.Socket);
  t.false(new net.Socket() instanceof Mine);
  t.false(new core.Socket() instanceof Mine);
});

test('called without new, and through an old-style subclass', (t) => {
  const make = net as unknown as { Socket(options?: object): core.Socket; Server(listener?: () => void): core.Server };
  t.true(make.Socket({ allowHalfOpen: true }).allowHalfOpen);
  t.is(make.Server(() => {}).listenerCount('connection'), 1);

  function Old(this: core.Socket): void {
    (net.Socket as unknown as (this: core.Socket) => void).call(this);
  }
  inherits(Old, net.Socket);
  const old = new (Old as unknown as new () => core.Socket)();
  t.true(old instanceof Old);
  t.is(old.readyState, 'open');
  t.is(typeof old.connect, 'function');
});

test('nothing of core’s prototypes is left uncovered', (t) => {
  if (!onRing) return t.pass();
  for (const name of ['Socket', 'Server'] as const) {
    const [ours, theirs] = [net[name].prototype as object, core[name].prototype as object];
    t.not(ours, theirs);
    t.is(Object.getPrototypeOf(ours), theirs);
    for (const key of Reflect.ownKeys(theirs)) t.true(Object.hasOwn(ours, key), `${name}.prototype.${String(key)}`);
  }
  return undefined;
});
