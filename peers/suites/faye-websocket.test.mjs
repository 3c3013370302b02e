import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import Faye from 'faye-websocket';
import { drained, listening, pattern } from './_help.mjs';

async function serve(t, onSocket) {
  const server = http.createServer((request, response) => {
    if (!Faye.EventSource.isEventSource(request)) return response.end();
    const source = new Faye.EventSource(request, response);
    source.send('first');
    source.send('second', { event: 'named', id: '2' });
    setTimeout(() => source.close(), 20);
  });
  server.on('upgrade', (request, socket, head) => onSocket(new Faye(request, socket, head)));
  return listening(t, server);
}

const echo = (socket) => socket.on('message', ({ data }) => socket.send(data));

test('text and bytes', async (t) => {
  const port = await serve(t, echo);
  const client = new Faye.Client(`ws://127.0.0.1:${port}`);
  await once(client, 'open');
  client.send('words');
  assert.equal((await once(client, 'message'))[0].data, 'words');
  const bytes = pattern(400_000);
  client.send(bytes);
  assert.ok(bytes.equals((await once(client, 'message'))[0].data));
  client.close(3000, 'enough');
  const [event] = await once(client, 'close');
  assert.deepEqual([event.code, event.reason], [3000, 'enough']);
});

test('a thousand messages sent at once', async (t) => {
  const port = await serve(t, echo);
  const client = new Faye.Client(`ws://127.0.0.1:${port}`);
  await once(client, 'open');
  let next = 0;
  const all = new Promise((resolve) => client.on('message', ({ data }) => Number(data) === next && ++next === 1000 && resolve()));
  for (let number = 0; number < 1000; number++) client.send(String(number));
  await all;
  client.close();
});

test('pings', async (t) => {
  const port = await serve(t, echo);
  const client = new Faye.Client(`ws://127.0.0.1:${port}`);
  await once(client, 'open');
  await new Promise((resolve) => client.ping('there?', resolve));
  client.close();
});

test('nobody listens', async () => {
  const client = new Faye.Client('ws://127.0.0.1:1');
  client.on('error', () => {});
  const event = await new Promise((resolve) => client.on('close', resolve));
  assert.equal(event.code, 1006);
});

test('server-sent events', async (t) => {
  const port = await serve(t, echo);
  const request = http.get({ port, headers: { accept: 'text/event-stream' } });
  const [response] = await once(request, 'response');
  const text = String(await drained(response));
  assert.match(text, /data: first\r\n/);
  assert.match(text, /event: named\r\nid: 2\r\ndata: second/);
});
