import assert from 'node:assert';
import { once } from 'node:events';
import { test } from 'node:test';
import nodemailer from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { atEnd, certificate, digest, drained, listening, pattern } from './_help.mjs';

const files = certificate();
const attachment = pattern(600_000);

async function serve(t, options = {}) {
  const mails = [];
  const server = new SMTPServer({
    ...files,
    authOptional: true,
    onAuth: ({ username, password }, _, done) =>
      username === 'me' && password === 'secret' ? done(null, { user: username }) : done(new Error('wrong')),
    onRcptTo: ({ address }, _, done) =>
      done(address.startsWith('no') ? Object.assign(new Error('not here'), { responseCode: 550 }) : null),
    async onData(stream, session, done) {
      mails.push({ text: String(await drained(stream)), session });
      done();
    },
    ...options,
  });
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  atEnd(t, () => new Promise((resolve) => server.close(resolve)));
  return { port: server.server.address().port, mails };
}

const mail = { from: 'a@example.org', to: 'b@example.org', subject: 'A subject', text: 'Words' };
const transport = (t, options) => {
  const made = nodemailer.createTransport({ host: 'localhost', tls: { ca: files.cert }, ...options });
  atEnd(t, () => made.close());
  return made;
};

for (const [kind, options] of Object.entries({
  plain: { server: { disabledCommands: ['STARTTLS'] }, client: { ignoreTLS: true } },
  STARTTLS: { server: {}, client: { requireTLS: true } },
  TLS: { server: { secure: true }, client: { secure: true } },
})) {
  test(`a mail with an attachment, ${kind}`, async (t) => {
    const { port, mails } = await serve(t, options.server);
    const sent = await transport(t, { port, ...options.client }).sendMail({
      ...mail,
      attachments: [{ filename: 'a.bin', content: attachment }],
    });
    assert.deepEqual(sent.accepted, ['b@example.org']);
    assert.equal(mails[0].session.secure, kind !== 'plain');
    const encoded = mails[0].text.split('filename=a.bin')[1].split('\r\n\r\n')[1].split('\r\n--')[0];
    assert.equal(digest(Buffer.from(encoded, 'base64')), digest(attachment));
  });

  test(`forty mails over a pool of three, ${kind}`, async (t) => {
    const { port, mails } = await serve(t, options.server);
    const pool = transport(t, { port, pool: true, maxConnections: 3, ...options.client });
    await Promise.all(Array.from({ length: 40 }, (_, number) => pool.sendMail({ ...mail, subject: `Number ${number}` })));
    assert.equal(new Set(mails.map(({ text }) => text.match(/Number \d+/)[0])).size, 40);
  });
}

test('a login, right and wrong', async (t) => {
  const { port } = await serve(t);
  await transport(t, { port, auth: { user: 'me', pass: 'secret' } }).verify();
  await assert.rejects(transport(t, { port, auth: { user: 'me', pass: 'other' } }).verify(), { code: 'EAUTH' });
});

test('recipients who are refused', async (t) => {
  const { port } = await serve(t);
  const sent = await transport(t, { port }).sendMail({ ...mail, to: ['b@example.org', 'no@example.org'] });
  assert.deepEqual([sent.accepted, sent.rejected], [['b@example.org'], ['no@example.org']]);
});

test('nobody there, and somebody who does not greet', async (t) => {
  await assert.rejects(transport(t, { port: 1 }).sendMail(mail), { code: 'ESOCKET' });
  const net = await import('node:net');
  const port = await listening(
    t,
    net.createServer((socket) => atEnd(t, () => socket.destroy())),
  );
  await assert.rejects(transport(t, { host: '127.0.0.1', port, greetingTimeout: 50 }).sendMail(mail), { code: 'ETIMEDOUT' });
});
