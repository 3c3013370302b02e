// The sample microservice (examples/service) with a real PostgreSQL and Redis: the same code on io_uring and on core.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdirSync } from 'node:fs';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { support } from 'iouring-transport';

interface Service {
  readonly backend: string;
  readonly url: string;
  readonly metrics: string;
  readonly events: ReadonlyArray<{ readonly event: string; readonly accepted?: number; readonly answered?: number }>;
  errors(): string;
  stop(): Promise<number>;
}
interface Databases {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}
interface Summary {
  readonly statuses: Readonly<Record<string, number>>;
  readonly lost: readonly string[];
}
interface Faults {
  readonly redis: Summary;
  readonly postgres: Summary;
  readonly end: Summary & { readonly status: number; readonly workers: Service['events'] };
}
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
}

/** What runs the service is JavaScript, for who has a clone and nothing built. */
const tool = (name: string): Promise<unknown> => import(`../../examples/service/tools/${name}.mjs`);
const { startDatabases, startService, whyNot } = (await tool('stack')) as {
  startDatabases(): Promise<Databases>;
  startService(backend: string, env: Readonly<Record<string, string>>): Promise<Service>;
  whyNot(): string | undefined;
};
const { runFaults } = (await tool('faults')) as { runFaults(backend: string, databases: Databases): Promise<Faults> };

const test = anyTest as TestFn<Databases>;
const reason = support().available ? whyNot() : 'there is no io_uring';
const onService =
  reason === undefined ? test.serial : (title: string, _body: unknown) => test.skip(`${title}: SKIPPED, ${reason}`, () => {});

if (reason === undefined) {
  let databases: Databases;
  test.before(async () => {
    databases = await startDatabases();
  });
  test.beforeEach((t) => {
    t.context = databases;
  });
  test.after.always(() => databases?.stop());
}

const json = { 'content-type': 'application/json' };
const octets = { 'content-type': 'application/octet-stream' };
const LARGEST = 6 * 1024 * 1024;

async function start(t: ExecutionContext<Databases>, backend: string, env: Record<string, string> = {}) {
  const service = await startService(backend, { ...t.context.env, LARGEST_UPLOAD: String(LARGEST), DRAIN_MS: '100', ...env });
  t.teardown(() => service.stop());
  t.is(service.backend, backend);
  return service;
}

/** A collector of traces: what is posted to it. */
async function startCollector(t: ExecutionContext<Databases>) {
  const spans: Span[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((chunks: Buffer[]) => {
      const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: Array<{ scopeSpans: Array<{ spans: Span[] }> }>;
      };
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.writeHead(200, json).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans };
}

for (const backend of ['uring', 'core']) {
  onService(`${backend}: items, health and metrics`, async (t) => {
    const { url, metrics, stop } = await start(t, backend);
    t.deepEqual(await (await fetch(`${url}/healthz`)).json(), { status: 'ok' });
    t.is((await fetch(`${url}/readyz`)).status, 200);

    const created = await fetch(`${url}/items`, { method: 'POST', headers: json, body: '{"name":"a thing","price":5}' });
    t.is(created.status, 201);
    const item = (await created.json()) as { id: number };
    for (const cache of ['miss', 'hit']) {
      const found = await fetch(`${url}/items/${item.id}`);
      t.is(found.headers.get('x-cache'), cache);
      t.deepEqual(await found.json(), item);
    }
    t.is(((await (await fetch(`${url}/items?limit=7`)).json()) as unknown[]).length, 7);
    t.is((await fetch(`${url}/items/999999`)).status, 404);
    t.is((await fetch(`${url}/items`, { method: 'POST', headers: json, body: '{"name":5}' })).status, 400);

    // A request counts when its answer has left, which may be a moment after it has arrived.
    let text = '';
    for (let attempt = 0; attempt < 50 && !text.includes('status="404"'); attempt++) {
      text = await (await fetch(metrics)).text();
    }
    t.regex(text, /^http_request_duration_seconds_count\{method="GET",route="\/items\/:id",status="404"\} 1$/m);
    t.is(await stop(), 0);
  });

  onService(`${backend}: uploads come back byte for byte, and what is too large leaves nothing behind`, async (t) => {
    const { url, stop } = await start(t, backend);
    const bytes = randomBytes(5_000_000);
    const sent = await fetch(`${url}/uploads`, { method: 'POST', headers: octets, body: bytes });
    t.is(sent.status, 201);
    const upload = (await sent.json()) as { id: string; size: number; sha256: string };
    t.like(upload, { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    const back = Buffer.from(await (await fetch(`${url}/uploads/${upload.id}`)).arrayBuffer());
    t.true(back.equals(bytes));
    t.is((await fetch(`${url}/uploads/..%2f..%2fetc%2fpasswd`)).status, 404);

    const before = readdirSync(t.context.env['UPLOADS']).sort();
    // In pieces, without a word on the length before them.
    const pieces = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent <= LARGEST; sent += 65_536) controller.enqueue(new Uint8Array(65_536));
        controller.close();
      },
    });
    const request = { method: 'POST', headers: octets, body: pieces, duplex: 'half' } as RequestInit;
    // The connection may be closed on a peer that goes on sending.
    const status = await fetch(`${url}/uploads`, request).then(
      (response) => response.status,
      () => 413,
    );
    t.is(status, 413);
    t.is(await stop(), 0);
    t.deepEqual(readdirSync(t.context.env['UPLOADS']).sort(), before);
  });

  onService(`${backend}: a request's trace goes on from its caller's, with what was asked of the databases`, async (t) => {
    const collector = await startCollector(t);
    const { url, stop } = await start(t, backend, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    const trace = randomBytes(16).toString('hex');
    const caller = randomBytes(8).toString('hex');
    await fetch(`${url}/items?limit=1`, { headers: { traceparent: `00-${trace}-${caller}-01` } });
    t.is(await stop(), 0);
    const [request, query] = ['GET /items', 'postgres select'].map((name) => collector.spans.find((span) => span.name === name));
    t.like(request, { traceId: trace, parentSpanId: caller });
    t.like(query, { traceId: trace, parentSpanId: request!.spanId });
  });

  onService(`${backend}: Redis killed, PostgreSQL paused, the service ended: no request that was taken is lost`, async (t) => {
    const { redis, postgres, end } = await runFaults(backend, t.context);
    for (const [name, { statuses, lost }] of Object.entries({ redis, postgres, end })) {
      t.deepEqual(Object.keys(statuses), ['200'], name);
      t.deepEqual(lost, [], name);
    }
    t.is(end.status, 0);
    t.is(end.workers.length, 2);
    for (const { accepted, answered } of end.workers) t.is(accepted, answered);
  });
}
