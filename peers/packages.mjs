/**
 * The packages that `npm run peers` tries. Versions are fixed: a difference has to come from us.
 *
 * `tests` are files of the package itself, where it carries its tests; a package without has a suite of ours of its name in `suites/`, and what that needs
 * beside it in `with`. `differs` names tests that pass over core and not over ours, each with its reason; docs/compatibility.md tells it to users.
 *
 * @typedef {object} Peer
 * @property {string} name as on npm.
 * @property {string} version
 * @property {'node' | 'mocha' | 'tape'} [runner] of its own tests.
 * @property {RegExp} [tests] paths, relative to the package, of its own test files.
 * @property {RegExp} [without] those among them that want a network or a machine that is not there.
 * @property {string[]} [with] further packages, `name@version`.
 * @property {Record<string, string>} [differs] reason by full name of a test.
 */

/** @type {Peer[]} */
export const packages = [
  // Their own tests.
  { name: 'fastify', version: '5.12.8', runner: 'node', tests: /^test\/.*\.test\.m?js$/ },
  { name: 'light-my-request', version: '6.8.1', runner: 'node', tests: /^test\/[^/]+\.test\.js$/ },
  { name: 'aedes', version: '1.2.0', runner: 'node', tests: /^test\/[^/]+\.js$/, without: /helper/ },
  {
    name: 'pino-socket',
    version: '8.0.0',
    runner: 'node',
    tests: /^test\/[^/]+\.test\.js$/,
    differs: {
      'tcp reconnect after initial failure':
        'It connects before it listens, in one tick, and counts the refusal; over the ring the connection is asked for at the end of the tick, when somebody listens.',
    },
  },
  { name: 'spdy', version: '4.0.2', runner: 'mocha', tests: /^test\/[^/]+-test\.js$/ },
  { name: 'mitm', version: '1.7.3', runner: 'mocha', tests: /^test\/[^/]+_test\.js$/ },
  { name: 'multicast-dns', version: '7.2.5', runner: 'tape', tests: /^test\.js$/ },

  // Suites of ours.
  { name: 'ws', version: '8.23.0' },
  { name: 'undici', version: '7.30.2' },
  { name: 'ioredis', version: '6.0.0', with: ['redis-parser@3.0.0'] },
  { name: 'pg', version: '8.23.1', with: ['@electric-sql/pglite@0.5.14', '@electric-sql/pglite-socket@0.2.17'] },
  { name: 'express', version: '5.3.0', with: ['supertest@7.3.2'] },
  { name: 'koa', version: '3.3.0', with: ['supertest@7.3.2'] },
  { name: 'socket.io', version: '4.8.4', with: ['socket.io-client@4.8.4'] },
  { name: 'got', version: '14.6.5' },
  { name: 'axios', version: '1.21.1' },
  { name: 'nodemailer', version: '7.0.6', with: ['smtp-server@3.21.6'] },
  { name: 'ssh2', version: '1.17.0' },
  { name: 'mqtt', version: '5.16.0', with: ['aedes@1.2.0', 'ws@8.23.0'] },
  { name: 'http-proxy', version: '1.18.1', with: ['ws@8.23.0'] },
  { name: 'faye-websocket', version: '0.11.4' },
  { name: 'nock', version: '14.0.9' },
  { name: 'basic-ftp', version: '5.3.1', with: ['ftp-srv@4.6.3'] },
  { name: 'restify', version: '11.1.0' },
  { name: '@hapi/hapi', version: '21.4.10' },
  { name: '@grpc/grpc-js', version: '1.14.7' },
  { name: 'http2-wrapper', version: '2.2.1' },
  { name: 'proxy-chain', version: '2.7.1', with: ['http-proxy-agent@7.0.2', 'https-proxy-agent@7.0.4'] },
  { name: 'autocannon', version: '9.0.0' },
  { name: 'tiny-lr', version: '2.0.0', with: ['ws@8.23.0'] },
  { name: 'write-file-atomic', version: '7.0.1' },
  { name: 'fs-extra', version: '11.4.1' },
];
