import assert from 'node:assert';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Client } from 'basic-ftp';
import FtpSrv from 'ftp-srv';
import { atEnd, certificate, closedPort, digest, drained, folder, pattern, streamOf } from './_help.mjs';

const files = certificate();
const bytes = pattern(3_000_000);
const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => log };

async function session(t, secure) {
  const port = await closedPort();
  const root = folder();
  const server = new FtpSrv({
    url: `ftp://127.0.0.1:${port}`,
    anonymous: true,
    pasv_url: '127.0.0.1',
    log,
    tls: secure ? files : false,
  });
  server.on('login', (_, resolve) => resolve({ root }));
  await server.listen();
  atEnd(t, () => server.close());
  const client = new Client(10_000);
  atEnd(t, () => client.close());
  await client.access({ host: '127.0.0.1', port, secure, secureOptions: { rejectUnauthorized: false } });
  return { client, root };
}

for (const secure of [false, true]) {
  const how = secure ? 'over TLS' : 'plain';

  test(`up, down and listed, ${how}`, async (t) => {
    const { client, root } = await session(t, secure);
    await client.uploadFrom(streamOf(bytes), 'a.bin');
    assert.equal(digest(readFileSync(path.join(root, 'a.bin'))), digest(bytes));
    assert.deepEqual(
      (await client.list()).map(({ name, size }) => [name, size]),
      [['a.bin', bytes.length]],
    );
    const back = new PassThrough();
    const whole = drained(back);
    await client.downloadTo(back, 'a.bin');
    assert.equal(digest(await whole), digest(bytes));
  });

  test(`from the middle, appended, renamed, removed, ${how}`, async (t) => {
    const { client, root } = await session(t, secure);
    writeFileSync(path.join(root, 'a'), 'one two');
    const back = new PassThrough();
    const whole = drained(back);
    await client.downloadTo(back, 'a', 4);
    assert.equal(String(await whole), 'two');
    await client.appendFrom(streamOf(Buffer.from(' three')), 'a');
    await client.rename('a', 'b');
    assert.equal(readFileSync(path.join(root, 'b'), 'utf8'), 'one two three');
    assert.equal(await client.size('b'), 13);
    await client.remove('b');
    await assert.rejects(client.size('b'), { code: 550 });
  });

  test(`twenty small files one after another, ${how}`, async (t) => {
    const { client, root } = await session(t, secure);
    for (let number = 0; number < 20; number++) await client.uploadFrom(streamOf(Buffer.from(`file ${number}`)), `f${number}`);
    for (let number = 0; number < 20; number++)
      assert.equal(readFileSync(path.join(root, `f${number}`), 'utf8'), `file ${number}`);
    assert.equal((await client.list()).length, 20);
  });
}
