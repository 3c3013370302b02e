import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { anonymizeProxy, closeAnonymizedProxy, RequestError, Server } from 'proxy-chain';
import { atEnd, certificate, digest, drained, listening, pattern } from './_help.mjs';

const files = certificate();
const bytes = pattern(1_500_000);

async function proxy(t, options = {}) {
  const server = new Server({ port: 0, host: '127.0.0.1', ...options });
  await server.listen();
  atEnd(t, () => server.close(true));
  return { server, url: (user = '') => `http://${user}127.0.0.1:${server.port}` };
}

const ask = async (module, options, body) => {
  const request = module.request(options);
  request.end(body);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, body: await drained(response) };
};

const echo = (incoming, response) => incoming.pipe(response);

test('HTTP and CONNECT, directly and through a second proxy', async (t) => {
  const plain = await listening(t, http.createServer(echo));
  const secure = await listening(t, https.createServer(files, echo));
  const last = await proxy(t);
  const chained = await proxy(t, { prepareRequestFunction: () => ({ upstreamProxyUrl: last.url() }) });
  for (const { url } of [last, chained]) {
    const first = await ask(http, { port: plain, host: '127.0.0.1', method: 'POST', agent: new HttpProxyAgent(url()) }, bytes);
    assert.equal(digest(first.body), digest(bytes));
    const options = { port: secure, host: 'localhost', method: 'POST', ca: files.cert, agent: new HttpsProxyAgent(url()) };
    assert.equal(digest((await ask(https, options, bytes)).body), digest(bytes));
  }
});

test('a login', async (t) => {
  const port = await listening(t, http.createServer(echo));
  const { url } = await proxy(t, {
    prepareRequestFunction: ({ username, password }) => ({ requestAuthentication: username !== 'me' || password !== 'secret' }),
  });
  const through = (user) => ask(http, { port, host: '127.0.0.1', agent: new HttpProxyAgent(url(user)) });
  assert.equal((await through('me:secret@')).status, 200);
  assert.equal((await through('me:other@')).status, 407);
});

test('its own answers, and targets that are not there', async (t) => {
  const { url } = await proxy(t, {
    prepareRequestFunction({ hostname }) {
      if (hostname === 'own.test') return { customResponseFunction: () => ({ statusCode: 201, body: 'its own' }) };
      if (hostname === 'no.test') throw new RequestError('no', 403);
      return {};
    },
  });
  const agent = new HttpProxyAgent(url());
  assert.equal(String((await ask(http, { host: 'own.test', agent })).body), 'its own');
  assert.equal((await ask(http, { host: 'no.test', agent })).status, 403);
  assert.ok((await ask(http, { host: '127.0.0.1', port: 1, agent })).status >= 590);
});

test('bytes are counted', async (t) => {
  const port = await listening(t, https.createServer(files, echo));
  const { server, url } = await proxy(t);
  const closed = once(server, 'connectionClosed');
  const options = {
    port,
    host: 'localhost',
    method: 'POST',
    ca: files.cert,
    agent: new HttpsProxyAgent(url()),
    headers: { connection: 'close' },
  };
  await ask(https, options, bytes);
  const [{ stats }] = await closed;
  assert.ok(stats.trgTxBytes > bytes.length && stats.trgRxBytes > bytes.length, JSON.stringify(stats));
});

test('an anonymous front, and twenty at once', async (t) => {
  const port = await listening(t, http.createServer(echo));
  const { url } = await proxy(t, { prepareRequestFunction: ({ username }) => ({ requestAuthentication: username !== 'me' }) });
  const front = await anonymizeProxy(url('me:secret@'));
  await Promise.all(
    Array.from({ length: 20 }, async (_, number) => {
      const sent = pattern(20_000, number);
      const { body } = await ask(http, { port, host: '127.0.0.1', method: 'POST', agent: new HttpProxyAgent(front) }, sent);
      assert.equal(digest(body), digest(sent));
    }),
  );
  await closeAnonymizedProxy(front, true);
});

test('closing closes the connections', async (t) => {
  const port = await listening(
    t,
    http.createServer(() => {}),
  );
  const { server, url } = await proxy(t);
  const request = http.get({ port, host: '127.0.0.1', agent: new HttpProxyAgent(url()) });
  const failed = once(request, 'error');
  await once(request, 'socket');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.close(true);
  assert.match((await failed)[0].code, /ECONNRESET|ECONNREFUSED/);
});
