// Options under `transport: { … }` reach the kernel: read back by the numbers that the kernel knows them by. What it refuses names the option.
import { once } from 'node:events';
import type dns from 'node:dns';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AddressInfo, Server, Socket } from 'node:net';
import test from 'ava';
import { support } from 'iouring-transport';
import dgram from 'iouring-transport/dgram';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { SocketOption } from '../../ts/reactor/protocol.ts';

const onRing = needs('io_uring', support().backend === 'uring', test);

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
function readServer(server: Server, option: SocketOption, { reactor: { native } }: Handle): number | null {
  const second = native.adopt(native.duplicate((server as unknown as { _handle: { fd: number } })._handle.fd), true, true);
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
  const client = net.connect({ path: path.join(folder, 'socket'), transport: bagOf(rows) } as never);
  await once(client, 'connect');
  for (const [name, option, , expected] of rows) {
    t.is(readServer(server, option, handleOf(client, 'link')), expected, name);
    t.is(read(client, option), expected, name);
  }
  client.destroy();
  server.close();
  rmSync(folder, { recursive: true });
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
