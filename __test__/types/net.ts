// The types of `iouring-transport/net` are core's, so that what is typed against core takes them.
import core from 'node:net';
import { expectTypeOf } from 'expect-type';
import net, { connect, createServer, type Server, Socket } from 'iouring-transport/net';

expectTypeOf(createServer()).toExtend<core.Server>();
expectTypeOf(connect(1)).toExtend<core.Socket>();
expectTypeOf<net.Socket>().toExtend<core.Socket>();
expectTypeOf<core.Socket>().toExtend<net.Socket>();
expectTypeOf<Server>().toExtend<core.Server>();
expectTypeOf(net.createServer).toEqualTypeOf<typeof core.createServer>();
expectTypeOf(net.isIP).toEqualTypeOf(core.isIP);
expectTypeOf(new Socket().write).toBeCallableWith('text', 'utf8', (error) => void error);
expectTypeOf(net.connect).toBeCallableWith({ host: 'localhost', port: 1, noDelay: true });
expectTypeOf(net.createServer).toBeCallableWith({ keepAlive: true }, (socket) => {
  expectTypeOf(socket).toExtend<core.Socket>();
});

// @ts-expect-error a port is a number
net.connect({ port: [] });
// @ts-expect-error core has no such option
net.createServer({ nonsense: true });
