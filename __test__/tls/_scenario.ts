// A TLS connection whose two ends tell what happens to them, each of core's modules or of ours: what is told must be the same.
import coreNet from 'node:net';
import coreTls from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import net from 'iouring-transport/net';
import tls from 'iouring-transport/tls';
import { makeCertificates } from '../_certificates.ts';
import { serveGiven } from '../_given.ts';
import { track } from '../net/_sockets.ts';

export interface Modules {
  readonly net: typeof coreNet;
  readonly tls: typeof coreTls;
}

export const core: Modules = { net: coreNet, tls: coreTls };
const ours: Modules = { net, tls };
/** Core's TLS, which is given sockets of ours. */
const given: Modules = {
  net,
  tls: {
    ...coreTls,
    createServer: ((options: coreTls.TlsOptions) =>
      serveGiven(coreTls.createServer(options), options.allowHalfOpen)) as typeof coreTls.createServer,
  },
};

/** Which modules the server and the client are of. */
export const SIDES: Readonly<Record<string, { server: Modules; client: Modules }>> = {
  'both ours': { server: ours, client: ours },
  'server ours': { server: ours, client: core },
  'client ours': { server: core, client: ours },
  'server given': { server: given, client: core },
};

const { server: certificate, ca } = makeCertificates();

/** What the two ends do, and how they are made. */
export interface Scenario {
  /** Called with each secure socket of the server and the one below it. */
  readonly serve: (secure: coreTls.TLSSocket, raw: Socket) => void;
  /** Called with the client before it is connected. */
  readonly ask: (client: coreTls.TLSSocket) => void;
  readonly server?: coreTls.TlsOptions;
  readonly client?: coreTls.ConnectionOptions & { allowHalfOpen?: boolean };
}

/** What was told by each end, in order, without how many pieces the bytes came in, and when what was written was with the kernel. */
export interface Told {
  readonly server: string[];
  readonly client: string[];
  readonly raw: string[];
}

function listenTo(socket: Socket, log: string[]): void {
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
  const flush = () => {
    if (bytes > 0) log.push(`data ${bytes}`);
    bytes = 0;
  };
  for (const event of ['secureConnect', 'end']) {
    socket.on(event, () => {
      flush();
      log.push(event);
    });
  }
  socket.on('error', (error: NodeJS.ErrnoException) => {
    flush();
    log.push(`error ${error.code} ${error.syscall ?? ''}`);
  });
  socket.on('close', (hadError) => {
    flush();
    log.push(`close ${hadError}`);
  });
}

/** Plays a scenario until both ends are closed. */
export async function play(
  scenario: Scenario,
  sides: { server: Modules; client: Modules },
  version?: coreTls.SecureVersion,
): Promise<Told> {
  const told: Told = { server: [], client: [], raw: [] };
  const raws: Socket[] = [];
  const options = { ...certificate, minVersion: version, maxVersion: version, ...scenario.server };
  const server = track<coreTls.Server>(sides.server.tls.createServer(options));
  const closed: Promise<unknown>[] = [];
  server.on('connection', (raw: Socket) => {
    raws.push(track(raw));
    raw.on('error', (error: NodeJS.ErrnoException) => told.raw.push(`error ${error.code}`));
    closed.push(new Promise<void>((done) => raw.on('close', (hadError) => (told.raw.push(`close ${hadError}`), done()))));
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => told.server.push(`tlsClientError ${error.code}`));
  server.on('secureConnection', (secure) => {
    listenTo(track(secure), told.server);
    closed.push(new Promise((done) => secure.on('close', done)));
    scenario.serve(secure, raws.at(-1)!);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = sides.client.tls.connect({ port, host: '127.0.0.1', ca, ...scenario.client });
  track(client);
  listenTo(client, told.client);
  scenario.ask(client);
  await new Promise((done) => client.on('close', done));
  await Promise.all(closed);
  server.close();
  await once(server, 'close');
  return told;
}
