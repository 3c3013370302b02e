// The types of `iouring-transport/dgram` are core's and more, so that what is typed against core takes its sockets.
import type core from 'node:dgram';
import { expectTypeOf } from 'expect-type';
import dgram, { createSocket, type Message, type SendResult, type Socket } from 'iouring-transport/dgram';

expectTypeOf(createSocket('udp4')).toExtend<core.Socket>();
expectTypeOf<Socket>().toExtend<core.Socket>();
expectTypeOf(dgram.createSocket).toExtend<typeof core.createSocket>();
const socket = createSocket({ type: 'unix_dgram', credentials: true }, (message, rinfo) => {
  expectTypeOf(message).toExtend<Buffer>();
  expectTypeOf(rinfo).toEqualTypeOf<core.RemoteInfo>();
});
expectTypeOf(socket.sendMany([{ data: 'x', port: 1, address: '127.0.0.1' }])).toEqualTypeOf<Promise<SendResult[]>>();
expectTypeOf(socket[Symbol.asyncIterator]()).toExtend<AsyncIterable<Message[]>>();

expectTypeOf(socket.messages({ signal: new AbortController().signal, highWaterMark: 1 })).toExtend<AsyncIterable<Message[]>>();
socket.on('messages', (batch) => expectTypeOf(batch).toEqualTypeOf<Message[]>());
socket.once('messages', (batch) => expectTypeOf(batch).toEqualTypeOf<Message[]>());
socket.on('message', (message, rinfo) => expectTypeOf(rinfo).toEqualTypeOf<core.RemoteInfo>());
socket.on('listening', () => {});
socket.on('error', (error) => expectTypeOf(error).toEqualTypeOf<Error>());

// UNIX sockets take a path in the place of port and address.
socket.bind('/run/socket', () => {});
socket.bind({ path: '/run/socket' });
socket.connect('/run/other', () => {});
socket.send('text', '/run/other', (error, bytes) => expectTypeOf(bytes).toEqualTypeOf<number>());
socket.send(Buffer.from('text'), 0, 2, '/run/other');
expectTypeOf<Message['rinfo']['family']>().toEqualTypeOf<'IPv4' | 'IPv6' | 'unix'>();

// All of core's forms are there still, and what takes ours takes core's where it uses no addition.
socket.bind();
socket.bind(1234, '127.0.0.1', () => {});
socket.bind({ port: 1, exclusive: true, fd: 3 });
socket.connect(1, '127.0.0.1');
socket.send(['a', Buffer.from('b')], 1, '127.0.0.1', (error) => expectTypeOf(error).toEqualTypeOf<Error | null>());
socket.send('connected');
expectTypeOf<core.SocketOptions>().toExtend<Parameters<typeof createSocket>[0]>();
declare function takesCore(socket: core.Socket): void;
takesCore(socket);
takesCore(dgram.createSocket({ type: 'udp4' }));
declare function takesModule(module: Pick<typeof core, 'createSocket'>): void;
takesModule(dgram);

// @ts-expect-error a path is text
socket.send('text', { path: '/run/other' });
// @ts-expect-error there is no such type
createSocket('udp5');
// @ts-expect-error core has no such option, nor have we
createSocket({ type: 'udp4', nonsense: true });

// Options that core has no name for.
createSocket({ type: 'udp4', transport: { multicastTtl: 4, multicastInterface: 'eth0' } });
// @ts-expect-error: no such option
createSocket({ type: 'udp4', transport: { colour: 1 } });
