// Options under `transport: { … }` reach the kernel: read back by the numbers that the kernel knows them by. What it refuses names the option.
import { once } from 'node:events';
import type dns from 'node:dns';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { support } from 'iouring-transport';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { type Connection, defaults, withOptions, worker } from 'iouring-transport/transport';
import { needs } from '../_needs.ts';
import { SocketOption } from '../../ts/reactor/protocol.ts';

const onRing = needs('io_uring', support().backend === 'uring', test);
/** Counts handles, which the others have too. */
const alone = needs('io_uring', support().backend === 'uring');

interface Native {
  duplicate(fd: number): number;
  adopt(fd: number, listener: boolean, fresh: boolean): number;
  getOption(handle: number, option: SocketOption): number | null;
  closeNow(handle: number): number;
}
interface Handle {
  fd(): number;
  getOption(option: SocketOption): number | undefined;
  readonly reactor: { readonly native: Native };
}

/** What stands behind a socket: its link, or its state. */
function handleOf(socket: object, description: string): Handle {
  const key = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === description)!;
  return (socket as Record<symbol, { handle: Handle }>)[key].handle;
}

/** What getsockopt(2) says of a socket. */
const read = (socket: Socket, option: SocketOption) => handleOf(socket, 'link').getOption(option);

/** The same of a server, by a second descriptor. */
const readServer = (server: Server, option: SocketOption, any: Handle) =>
  readDescriptor((server as unknown as { _handle: { fd: number } })._handle.fd, option, any);

function readDescriptor(fd: number, option: SocketOption, { reactor: { native } }: Handle): number | null {
  const second = native.adopt(native.duplicate(fd), true, true);
  const value = native.getOption(second, option);
  native.closeNow(second);
  return value;
}

async function listening(options: object): Promise<Server> {
  const server = net.createServer(options as never).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function pair(server: Server, transport: object = {}): Promise<[Socket, Socket]> {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = net.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', transport } as never);
  await once(client, 'connect');
  return [client, (await accepted)[0]];
}

const doubled = (value: number) => value * 2;

/** Option, value given, what the kernel has. */
const TCP: Array<[string, SocketOption, unknown, number]> = [
  ['receiveBufferSize', SocketOption.RecvBuffer, 50_000, doubled(50_000)],
  ['sendBufferSize', SocketOption.SendBuffer, 60_000, doubled(60_000)],
  ['priority', SocketOption.Priority, 5, 5],
  ['busyPoll', SocketOption.BusyPoll, 0, 0],
  ['ttl', SocketOption.UnicastHops, 33, 33],
  ['typeOfService', SocketOption.TypeOfService, 0x10, 0x10],
  ['bindToDevice', SocketOption.BindToInterface, 'lo', 1],
  ['freeBind', SocketOption.FreeBind, true, 1],
  ['keepAlive', SocketOption.KeepAlive, true, 1],
  ['keepAliveIdle', SocketOption.KeepIdle, 77, 77],
  ['keepAliveInterval', SocketOption.KeepInterval, 11, 11],
  ['keepAliveCount', SocketOption.KeepCount, 4, 4],
  ['noDelay', SocketOption.NoDelay, true, 1],
  ['quickAck', SocketOption.QuickAck, false, 0],
  ['userTimeout', SocketOption.UserTimeout, 12_345, 12_345],
  ['receiveLowWater', SocketOption.RecvLowWater, 2, 2],
  ['unsentLowWater', SocketOption.UnsentLowWater, 8192, 8192],
];
const bagOf = (rows: typeof TCP) => Object.fromEntries(rows.map(([name, , value]) => [name, value]));

onRing('of a TCP client', async (t) => {
  const rows: typeof TCP = [...TCP, ['synCount', SocketOption.SynRetries, 3, 3]];
  const server = await listening({});
  const [client, peer] = await pair(server, bagOf(rows));
  for (const [name, option, , expected] of rows) if (name !== 'quickAck') t.is(read(client, option), expected, name);
  peer.destroy();
  client.destroy();
  server.close();
});

onRing('of a TCP server, and of its connections', async (t) => {
  const own: typeof TCP = [
    ['reusePort', SocketOption.ReusePort, true, 1],
    ['reuseAddress', SocketOption.ReuseAddress, false, 0],
    ['fastOpen', SocketOption.FastOpen, 16, 16],
  ];
  const server = await listening({ transport: { ...bagOf(TCP), ...bagOf(own), maxSegmentSize: 1000, deferAccept: 0 } });
  const [client, peer] = await pair(server);
  const any = handleOf(client, 'link');
  for (const [name, option, , expected] of [...TCP, ...own])
    if (name !== 'quickAck') t.is(readServer(server, option, any), expected, name);
  for (const [name, option, , expected] of TCP)
    if (name !== 'quickAck') t.is(read(peer, option), expected, `${name} of a connection`);
  t.true(read(peer, SocketOption.MaxSegment)! <= 1000);
  client.destroy();
  peer.destroy();
  server.close();
});

onRing('of a UDP socket', async (t) => {
  const rows: typeof TCP = [
    ...TCP.slice(0, 8),
    ['reuseAddress', SocketOption.ReuseAddress, true, 1],
    ['reusePort', SocketOption.ReusePort, true, 1],
    ['broadcast', SocketOption.Broadcast, true, 1],
    ['multicastTtl', SocketOption.MulticastHops, 9, 9],
    ['multicastLoopback', SocketOption.MulticastLoop, false, 0],
    ['multicastAll', SocketOption.MulticastAll, false, 0],
  ];
  const socket = dgram.createSocket({ type: 'udp4', transport: { ...bagOf(rows), multicastInterface: 'lo' } });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const handle = handleOf(socket, 'state');
  for (const [name, option, , expected] of rows) t.is(handle.getOption(option), expected, name);
  socket.close();
});

onRing('of UNIX sockets', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'transport-options-'));
  const rows = TCP.slice(0, 3);
  const server = net.createServer({ transport: bagOf(rows) } as never).listen(path.join(folder, 'socket'));
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = net.connect({ path: path.join(folder, 'socket'), transport: bagOf(rows) } as never);
  const [[peer]] = await Promise.all([accepted, once(client, 'connect')]);
  for (const [name, option, , expected] of rows) {
    t.is(readServer(server, option, handleOf(client, 'link')), expected, name);
    t.is(read(client, option), expected, name);
    t.is(read(peer, option), expected, `${name} of a connection`);
  }
  client.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});

/** A handle, by which any descriptor can be read. */
async function anyHandle(): Promise<Handle> {
  const server = await listening({});
  const [client, peer] = await pair(server);
  peer.destroy();
  server.close();
  return handleOf(client, 'link');
}

/** The descriptor of whoever of this process listens at a port. */
function listenerAt(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const [entry] = readFileSync('/proc/self/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, own, , state]) => own?.endsWith(local) && state === '0A');
  const target = `socket:[${entry[9]}]`;
  const fd = readdirSync('/proc/self/fd').find((one) => linkOf(one) === target);
  return Number(fd);
}

function linkOf(fd: string): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null; // Of the look into the folder itself.
  }
}

onRing('of the transport: a TCP server, its connections, and clients', async (t) => {
  const any = await anyHandle();
  const own: typeof TCP = [
    ['reusePort', SocketOption.ReusePort, true, 1],
    ['reuseAddress', SocketOption.ReuseAddress, false, 0],
    ['fastOpen', SocketOption.FastOpen, 16, 16],
    ['deferAccept', SocketOption.DeferAccept, 0, 0],
  ];
  const rows = TCP.map((row): (typeof TCP)[number] => (row[0] === 'noDelay' ? [row[0], row[1], false, 0] : row));
  let accept!: (connection: Connection) => void;
  const accepted = new Promise<Connection>((resolve) => (accept = resolve));
  const options = withOptions(defaults.tcpServer, { transport: { ...bagOf([...rows, ...own]), maxSegmentSize: 1000 } });
  const server = await worker.servers.tcp(options, accept);
  const { port } = server.address as AddressInfo;
  const fd = listenerAt(port);
  for (const [name, option, , expected] of [...rows, ...own])
    if (name !== 'quickAck') t.is(readDescriptor(fd, option, any), expected, name);
  const clients: typeof TCP = [...rows, ['synCount', SocketOption.SynRetries, 3, 3]];
  const client = await worker.clients.tcp({ port, transport: bagOf(clients) });
  for (const [name, option, , expected] of clients)
    if (name !== 'quickAck') t.is(readDescriptor(client.fd, option, any), expected, `${name} of a client`);
  const peer = await accepted;
  for (const [name, option, , expected] of rows)
    if (name !== 'quickAck') t.is(readDescriptor(peer.fd, option, any), expected, `${name} of a connection`);
  t.true(readDescriptor(peer.fd, SocketOption.MaxSegment, any)! <= 1000);
  client.reset();
  await server.close({ gracefulTimeout: 0 });
  // With the handshake goes what is written first.
  const quick = await worker.servers.tcp({ transport: { fastOpen: 16 } }, (connection) => connection.stream(() => {}));
  const sender = await worker.clients.tcp({ port: (quick.address as AddressInfo).port, transport: { fastOpen: true } });
  t.is(readDescriptor(sender.fd, SocketOption.FastOpenConnect, any), 1);
  await sender.writeSingle(Buffer.from('x'));
  sender.reset();
  await quick.close({ gracefulTimeout: 0 });
});

onRing('of the transport: a UNIX server, its connections, and clients', async (t) => {
  const any = await anyHandle();
  const rows = TCP.slice(0, 3);
  const where = `\0transport-options-${process.pid}`;
  let accept!: (connection: Connection) => void;
  const accepted = new Promise<Connection>((resolve) => (accept = resolve));
  const server = await worker.servers.unix({ path: where, transport: bagOf(rows) }, accept);
  const client = await worker.clients.unix({ path: where, transport: bagOf(rows) });
  for (const { fd } of [client, await accepted])
    for (const [name, option, , expected] of rows) t.is(readDescriptor(fd, option, any), expected, name);
  client.reset();
  await server.close({ gracefulTimeout: 0 });
});

alone('of the transport: what is refused names the option, and leaves nothing open', async (t) => {
  const refused = { code: 'ENODEV', syscall: 'setsockopt', option: 'bindToDevice', message: 'setsockopt ENODEV bindToDevice' };
  const transport = { bindToDevice: 'no-such-device' };
  const before = worker.stats().handles;
  t.like(await t.throwsAsync(worker.servers.tcp({ transport }, () => {})), refused);
  t.like(await t.throwsAsync(worker.clients.tcp({ port: 1, transport })), refused);
  t.like(await t.throwsAsync(worker.clients.tcp({ port: 1, host: 'localhost', transport })), refused);
  while (worker.stats().handles > before) await setImmediate();
  t.is(worker.stats().handles, before);
  const makers: Array<(transport: never) => Promise<unknown>> = [
    (wrong) => worker.servers.tcp({ transport: wrong }, () => {}),
    (wrong) => worker.servers.unix({ path: '/nowhere/x', transport: wrong }, () => {}),
    (wrong) => worker.clients.tcp({ port: 1, transport: wrong }),
    (wrong) => worker.clients.unix({ path: '/nowhere/x', transport: wrong }),
  ];
  for (const make of makers) {
    for (const wrong of [null, 1, 'x', []]) await t.throwsAsync(make(wrong as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(make({ unknown: 1 } as never), { code: 'ERR_INVALID_ARG_VALUE', message: /transport\.unknown/ });
    await t.throwsAsync(make({ sendBufferSize: -1 } as never), { code: 'ERR_OUT_OF_RANGE' });
  }
  await t.throwsAsync(makers[1]({ noDelay: true } as never), { code: 'ERR_INVALID_ARG_VALUE' });
  await t.throwsAsync(makers[2]({ deferAccept: 1 } as never), { code: 'ERR_INVALID_ARG_VALUE' });
});

onRing('what the kernel refuses is an error that names the option', async (t) => {
  const refused = { code: 'ENODEV', syscall: 'setsockopt', option: 'bindToDevice', message: 'setsockopt ENODEV bindToDevice' };
  const transport = { bindToDevice: 'no-such-device' };
  const server = net.createServer({ transport } as never).listen(0, '127.0.0.1');
  const [serverError] = (await once(server, 'error')) as [Error];
  t.like(serverError, refused);
  t.false(server.listening);
  for (const target of [
    { port: 1, host: '127.0.0.1' },
    { path: '/nowhere' },
    {
      port: 1,
      host: 'two.test',
      lookup: ((_host, _options, callback) =>
        callback(
          null,
          [
            { address: '127.0.0.1', family: 4 },
            { address: '::1', family: 6 },
          ] as never,
          0,
        )) as typeof dns.lookup,
    },
  ]) {
    const client = net.connect({ ...target, transport } as never);
    const [clientError] = (await once(client, 'error')) as [Error];
    t.like(clientError, refused);
    t.true(client.destroyed);
  }
  const socket = dgram.createSocket({ type: 'udp4', transport } as never).bind(0);
  const [socketError] = (await once(socket, 'error')) as [Error];
  t.like(socketError, refused);
  socket.close();
  // A UNIX socket has no such option.
  const unix = net.connect({ path: '/nowhere', transport: { userTimeout: 1 } } as never);
  const [unixError] = (await once(unix, 'error')) as [Error];
  t.like(unixError, { syscall: 'setsockopt', option: 'userTimeout' });
});

onRing('wrong types, ranges and names are refused when the socket is made, with core’s codes', (t) => {
  const makers: Array<(transport: unknown) => unknown> = [
    (transport) => new net.Socket({ transport } as never),
    (transport) => net.createServer({ transport } as never),
    (transport) => dgram.createSocket({ type: 'udp4', transport } as never).close(),
  ];
  for (const make of makers) {
    for (const wrong of [null, 1, 'x', []]) t.throws(() => make(wrong), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => make({ unknown: 1 }), { code: 'ERR_INVALID_ARG_VALUE', message: /transport\.unknown/ });
    for (const name of ['receiveBufferSize', 'priority', 'mark', 'busyPoll', 'ttl', 'typeOfService', 'incomingCpu']) {
      for (const wrong of [-1, 1.5, NaN, 2 ** 31])
        t.throws(() => make({ [name]: wrong }), { code: 'ERR_OUT_OF_RANGE' }, `${name} ${wrong}`);
      for (const wrong of ['1', true, null]) t.throws(() => make({ [name]: wrong }), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    t.throws(() => make({ freeBind: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => make({ bindToDevice: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const wrong of ['', '../../etc/passwd', '..', 'a name', 'x'.repeat(16)])
      t.throws(() => make({ bindToDevice: wrong }), { code: 'ERR_INVALID_ARG_VALUE' });
  }
});
