import assert from 'node:assert';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import tinylr from 'tiny-lr';
import { WebSocket } from 'ws';
import { drained } from './_help.mjs';

async function serve() {
  const server = tinylr();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: server.server.address().port };
}

const ask = async (port, path) => {
  const request = http.get({ host: '127.0.0.1', port, path });
  const [response] = await once(request, 'response');
  return { status: response.statusCode, body: String(await drained(response)) };
};

test('its own answers', async () => {
  const { server, port } = await serve();
  assert.equal(JSON.parse((await ask(port, '/')).body).tinylr, 'Welcome');
  assert.match((await ask(port, '/livereload.js')).body, /LiveReload/);
  assert.equal((await ask(port, '/absent')).status, 404);
  server.close();
});

test('a browser hears of what has changed', async () => {
  const { server, port } = await serve();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/livereload`);
  await once(socket, 'open');
  socket.send(JSON.stringify({ command: 'hello', protocols: ['http://livereload.com/protocols/official-7'] }));
  assert.equal(JSON.parse((await once(socket, 'message'))[0]).command, 'hello');
  const heard = once(socket, 'message');
  await ask(port, '/changed?files=a.css');
  assert.equal(JSON.parse((await heard)[0]).path, 'a.css');
  socket.close();
  server.close();
});

test('closed, it lets the port go and the process end', async () => {
  const { server, port } = await serve();
  server.close();
  await assert.rejects(ask(port, '/'), ({ code }) => code === 'ECONNREFUSED' || code === 'ECONNRESET');
});
