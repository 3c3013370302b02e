/**
 * What an agent sees of the request that it is to serve.
 */
import test from 'ava';
import coreHttp from 'node:http';
import coreHttps from 'node:https';
import http from 'iouring-transport/http';
import https from 'iouring-transport/https';

/** As agents on `agent-base` know whether they serve https: by what is on the stack while they are asked. */
class EitherAgent extends coreHttp.Agent {
  get protocol(): string {
    return new Error().stack!.includes('node:https:') ? 'https:' : 'http:';
  }

  /** Core's class sets one. */
  set protocol(_: string) {}
}

const modules = { core: { http: coreHttp, https: coreHttps }, ours: { http, https } };

for (const [name, { http, https }] of Object.entries(modules)) {
  test(`an agent of both protocols is told which it serves, ${name}`, (t) => {
    for (const make of [http.request, http.get]) {
      const request = make({ host: '127.0.0.1', port: 1, agent: new EitherAgent() });
      request.on('error', () => {}).destroy();
      t.is(request.protocol, 'http:');
    }
    for (const make of [https.request, https.get]) {
      const request = make({ host: '127.0.0.1', port: 1, agent: new EitherAgent() as unknown as coreHttps.Agent });
      request.on('error', () => {}).destroy();
      t.is(request.protocol, 'https:');
    }
    t.throws(() => https.request({ agent: new coreHttp.Agent() as coreHttps.Agent }), { code: 'ERR_INVALID_PROTOCOL' });
    t.throws(() => https.request('http://localhost'), { code: 'ERR_INVALID_PROTOCOL' });
    t.throws(() => http.request({ agent: new coreHttps.Agent() }), { code: 'ERR_INVALID_PROTOCOL' });
  });

  test(`a request without an agent of its own, ${name}`, (t) => {
    const made = (options: coreHttps.RequestOptions) => {
      const request = https.request('https://127.0.0.1:1/', options);
      request.on('error', () => {}).destroy();
      return request as typeof request & { agent?: coreHttps.Agent };
    };
    t.is(made({}).agent, https.globalAgent);
    t.is(made({ agent: undefined }).agent, https.globalAgent);
    const alone = made({ agent: false }).agent;
    t.not(alone, https.globalAgent);
    t.true(alone instanceof https.Agent);
    t.is(made({ createConnection: () => undefined as never }).agent, undefined);
  });
}
