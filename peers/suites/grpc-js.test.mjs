import assert from 'node:assert';
import { once } from 'node:events';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { atEnd, certificate, pattern } from './_help.mjs';

const files = certificate();
const raw = {
  requestSerialize: (value) => value,
  requestDeserialize: (value) => value,
  responseSerialize: (value) => value,
  responseDeserialize: (value) => value,
};
const method = (name, requestStream, responseStream) => ({
  path: `/peer.Service/${name}`,
  requestStream,
  responseStream,
  ...raw,
});
const definition = {
  unary: method('unary', false, false),
  up: method('up', true, false),
  down: method('down', false, true),
  both: method('both', true, true),
  fails: method('fails', false, false),
  never: method('never', false, false),
};
const Service = grpc.makeGenericClientConstructor(definition, 'Service');

const handlers = (cancelled) => ({
  unary(call, done) {
    const trailer = new grpc.Metadata();
    trailer.set('had', String(call.metadata.get('asked')));
    done(null, call.request, trailer);
  },
  up(call, done) {
    let length = 0;
    call.on('data', (chunk) => (length += chunk.length));
    call.on('end', () => done(null, Buffer.from(String(length))));
  },
  down(call) {
    for (let number = 0; number < Number(call.request); number++) call.write(Buffer.from(String(number)));
    call.end();
  },
  both(call) {
    call.on('data', (chunk) => call.write(chunk));
    call.on('end', () => call.end());
  },
  fails: (_, done) => done({ code: grpc.status.NOT_FOUND, details: 'not here' }),
  never: (call) => call.on('cancelled', () => cancelled?.()),
});

async function connected(t, secure, cancelled) {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(definition, handlers(cancelled));
  const keys = [{ private_key: files.key, cert_chain: files.cert }];
  const credentials = secure ? grpc.ServerCredentials.createSsl(null, keys) : grpc.ServerCredentials.createInsecure();
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  atEnd(t, () => server.forceShutdown());
  const client = new Service(
    `localhost:${port}`,
    secure ? grpc.credentials.createSsl(files.cert) : grpc.credentials.createInsecure(),
    {
      'grpc.max_receive_message_length': -1,
    },
  );
  atEnd(t, () => client.close());
  return { client, server };
}

const call = (client, name, ...args) =>
  new Promise((resolve, reject) => client[name](...args, (error, value) => (error ? reject(error) : resolve(value))));

for (const secure of [false, true]) {
  const how = secure ? 'over TLS' : 'plain';

  test(`unary calls, short, long and many, ${how}`, async (t) => {
    const { client } = await connected(t, secure);
    for (const length of [0, 1, 16_384, 4_000_000]) {
      const bytes = pattern(length);
      assert.ok(bytes.equals(await call(client, 'unary', bytes)));
    }
    await Promise.all(
      Array.from({ length: 300 }, async (_, number) =>
        assert.equal(String(await call(client, 'unary', Buffer.from(String(number)))), String(number)),
      ),
    );
  });

  test(`streams of messages, ${how}`, async (t) => {
    const { client } = await connected(t, secure);
    const length = new Promise((resolve, reject) => {
      const up = client.up((error, value) => (error ? reject(error) : resolve(Number(value))));
      for (let number = 0; number < 200; number++) up.write(pattern(10_000));
      up.end();
    });
    assert.equal(await length, 2_000_000);
    let next = 0;
    for await (const message of client.down(Buffer.from('3000'))) assert.equal(Number(message), next++);
    assert.equal(next, 3000);
    const both = client.both();
    let back = 0;
    both.on('data', (message) => assert.equal(Number(message), back++));
    for (let number = 0; number < 500; number++) both.write(Buffer.from(String(number)));
    both.end();
    await once(both, 'end');
    assert.equal(back, 500);
  });

  test(`errors, metadata, deadlines, cancelling, ${how}`, async (t) => {
    let told;
    const cancelled = new Promise((resolve) => (told = resolve));
    const { client } = await connected(t, secure, told);
    await assert.rejects(call(client, 'fails', Buffer.alloc(0)), { code: grpc.status.NOT_FOUND, details: 'not here' });
    const metadata = new grpc.Metadata();
    metadata.set('asked', 'this');
    const trailers = await new Promise((resolve) =>
      client.unary(Buffer.alloc(1), metadata, () => {}).on('status', (status) => resolve(status.metadata)),
    );
    assert.deepEqual(trailers.get('had'), ['this']);
    await assert.rejects(call(client, 'never', Buffer.alloc(0), { deadline: Date.now() + 100 }), {
      code: grpc.status.DEADLINE_EXCEEDED,
    });
    const open = client.never(Buffer.alloc(0), () => {});
    setTimeout(() => open.cancel(), 30);
    await cancelled;
  });
}

test('a server that goes', async (t) => {
  const { client, server } = await connected(t, false);
  await call(client, 'unary', Buffer.alloc(1));
  const waiting = assert.rejects(call(client, 'never', Buffer.alloc(0)));
  setTimeout(() => server.forceShutdown(), 50);
  await waiting;
  await assert.rejects(call(client, 'unary', Buffer.alloc(0)), { code: grpc.status.UNAVAILABLE });
});
