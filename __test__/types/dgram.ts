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

// @ts-expect-error there is no such type
createSocket('udp5');
// @ts-expect-error core has no such option, nor have we
createSocket({ type: 'udp4', nonsense: true });
