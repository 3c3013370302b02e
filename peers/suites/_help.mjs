/**
 * What the suites share. Each is copied beside the package it is for, so that imports find that.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { createHash } from 'node:crypto';

const endings = new WeakMap();

/** Calls a function when a test has ended: what was begun last ends first. */
export function atEnd(t, ending) {
  if (!endings.has(t)) {
    endings.set(t, []);
    t.after(async () => {
      for (const each of endings.get(t).reverse()) await each();
    });
  }
  endings.get(t).push(ending);
}

/** A port of this machine on which nobody listens. */
export async function closedPort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Listens on a free port of this machine; at the end of the test it closes, with whatever is connected. @returns the port. */
export async function listening(t, server, ...args) {
  const sockets = new Set();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(...(args.length > 0 ? args : [0, '127.0.0.1']));
  await once(server, 'listening');
  atEnd(t, async () => {
    if (!server.listening) return;
    const done = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await done;
  });
  return server.address()?.port;
}

/** An empty folder. */
export const folder = () => mkdtempSync(path.join(os.tmpdir(), 'peer-'));

/** A key and a certificate for localhost, which signs itself. */
export function certificate() {
  const place = folder();
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(place, name));
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '2', ...kind, '-keyout', key, '-out', cert, ...names], {
    stdio: 'ignore',
  });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

/** So many bytes, no two of one length alike, and the same in each run. */
export function pattern(length, seed = 1) {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0, state = seed; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** All that a stream has. */
export async function drained(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A stream of so many bytes, in pieces. */
export const streamOf = (bytes, piece = 16_384) =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
    })(),
  );
