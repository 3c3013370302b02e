// What `process` says of what is open, by which tools find out why a program does not end.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { nothingLeft, pair, track } from './_sockets.ts';

const handles = () => (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
const resources = () => process.getActiveResourcesInfo().filter((name) => /^(TCP|UDP|Pipe)/.test(name));

/** How many more there are of each now. */
function more(before: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of resources()) counts[name] = (counts[name] ?? 0) + 1;
  for (const name of before) counts[name] = (counts[name] ?? 0) - 1;
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

test.afterEach.always(nothingLeft);

test.serial('sockets and servers are told of as core’s are', async (t) => {
  const before = resources();
  const { server, client, peer } = await pair();
  const folder = mkdtempSync(path.join(tmpdir(), 'active-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const atPath = track(net.createServer()).listen(path.join(folder, 'socket'));
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await Promise.all([once(atPath, 'listening'), once(socket, 'listening')]);
  t.deepEqual(more(before), { TCPServerWrap: 1, TCPSocketWrap: 2, PipeWrap: 1, UDPWrap: 1 });
  for (const thing of [server, client, peer, atPath, socket]) t.is(handles().filter((it) => it === thing).length, 1);

  client.unref();
  t.false(handles().includes(client));
  client.ref();
  t.true(handles().includes(client));
  client.destroy();
  peer.destroy();
  server.close();
  atPath.close();
  socket.close();
  t.deepEqual(more(before), {});
  for (const thing of [server, client, peer, atPath, socket]) t.false(handles().includes(thing));
});
