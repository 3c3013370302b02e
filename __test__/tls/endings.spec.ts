// However a TLS connection ends, both ends hear what they hear over core's sockets, and no byte is lost.
import type { SecureVersion } from 'node:tls';
import test from 'ava';
import { nothingLeft } from '../net/_sockets.ts';
import { core, play, SIDES, type Scenario } from './_scenario.ts';

test.afterEach.always(nothingLeft);

const BOTH_CORE = { server: core, client: core };

const SIZES = [1, 1000, 100_000, 2_000_000];

const bytes = (size: number): Buffer => Buffer.alloc(size, 'abcdefg');

/** Endings that leave a number of bytes to be delivered. */
const SIZED: Record<string, (size: number) => Scenario> = {
  'echo by pipe, the client ends right behind its bytes': (size) => ({
    serve: (secure) => secure.pipe(secure),
    ask: (client) => client.end(bytes(size)),
  }),
  'the server collects, and answers at the end': (size) => ({
    serve(secure) {
      const parts: Buffer[] = [];
      secure.on('data', (part: Buffer) => parts.push(part)).on('end', () => secure.end(Buffer.concat(parts)));
    },
    ask: (client) => client.end(bytes(size)),
  }),
  'the server answers at once, and ends': (size) => ({
    serve: (secure) => secure.resume().end(bytes(size)),
    ask: (client) => client.end('question'),
  }),
  'the server writes, and destroys soon': (size) => ({
    serve(secure) {
      secure.resume().write(bytes(size));
      secure.destroySoon();
    },
    ask: (client) => client.resume(),
  }),
  'the client reads late': (size) => ({
    serve: (secure) => secure.resume().end(bytes(size)),
    ask(client) {
      client.pause().once('secureConnect', () => setTimeout(() => client.resume(), 50));
    },
  }),
  'half open: the server answers long after the end': (size) => ({
    serve: (secure) => secure.resume().on('end', () => setTimeout(() => secure.end(bytes(size)), 20)),
    ask: (client) => client.end('question'),
    server: { allowHalfOpen: true },
    client: { allowHalfOpen: true },
  }),
};

/** Endings of other kinds. */
const PLAIN: Record<string, Scenario> = {
  'the server destroys': { serve: (secure) => secure.destroy(), ask: (client) => client.resume() },
  'the server destroys with an error': {
    serve: (secure) => secure.destroy(Object.assign(new Error('mine'), { code: 'MINE' })),
    ask: (client) => client.resume(),
  },
  'the server destroys after an answer': {
    serve: (secure) => secure.on('data', () => secure.write('x', () => secure.destroy())),
    ask: (client) => client.on('secureConnect', () => client.write('hello')),
  },
  'the server ends the socket below': {
    serve(secure, raw) {
      secure.write('abc');
      setTimeout(() => raw.end(), 20);
    },
    ask: (client) => client.resume(),
  },
  'the server resets the socket below': {
    // The client has read everything by then: a reset together with bytes is an end, as often as not.
    serve(secure, raw) {
      secure.write('read?');
      secure.on('data', () => raw.resetAndDestroy());
    },
    ask: (client) => client.on('data', () => client.write('read')),
  },
  'the client writes after the server has gone': {
    serve: (_secure, raw) => raw.destroy(),
    ask(client) {
      client.resume().on('end', () => {
        const timer = setInterval(() => client.write('x'), 10);
        client.on('error', () => clearInterval(timer));
      });
    },
    client: { allowHalfOpen: true },
  },
  'the server destroys the socket below': { serve: (_secure, raw) => raw.destroy(), ask: (client) => client.resume() },
  'the client destroys in secureConnect': {
    serve: (secure) => secure.resume(),
    ask: (client) => client.on('secureConnect', () => client.destroy()),
  },
  'the client destroys with an error': {
    serve: (secure) => secure.resume(),
    ask: (client) => client.on('secureConnect', () => client.destroy(Object.assign(new Error('mine'), { code: 'MINE' }))),
  },
  'the certificate is refused': { serve: (secure) => secure.resume(), ask() {}, client: { ca: [] } },
  'no common protocol': {
    serve() {},
    ask() {},
    server: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
    client: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
  },
};

for (const version of ['TLSv1.3', 'TLSv1.2'] as SecureVersion[]) {
  for (const [name, make] of Object.entries(SIZED)) {
    test.serial(`${version}: ${name}`, async (t) => {
      for (const size of SIZES) {
        const expected = await play(make(size), BOTH_CORE, version);
        for (const [sides, each] of Object.entries(SIDES)) {
          t.deepEqual(await play(make(size), each, version), expected, `${size} bytes, ${sides}`);
        }
      }
    });
  }
  for (const [name, scenario] of Object.entries(PLAIN)) {
    test.serial(`${version}: ${name}`, async (t) => {
      const expected = await play(scenario, BOTH_CORE, version);
      for (const [sides, each] of Object.entries(SIDES)) t.deepEqual(await play(scenario, each, version), expected, sides);
    });
  }
}
