// The types of `iouring-transport/net` are core's, so that what is typed against core takes them, and the other way round.
import core from 'node:net';
import { expectTypeOf } from 'expect-type';
import net, { type BlockList, connect, createServer, type Server, Socket, type SocketAddress } from 'iouring-transport/net';
import * as ours from 'iouring-transport/net';

// Instances, both ways.
expectTypeOf(createServer()).toExtend<core.Server>();
expectTypeOf(connect(1)).toExtend<core.Socket>();
expectTypeOf<net.Socket>().toExtend<core.Socket>();
expectTypeOf<core.Socket>().toExtend<net.Socket>();
expectTypeOf<Server>().toExtend<core.Server>();
expectTypeOf<core.Server>().toExtend<Server>();
expectTypeOf<ours.Stream>().toExtend<core.Socket>();
expectTypeOf<BlockList>().toEqualTypeOf<core.BlockList>();
expectTypeOf<SocketAddress>().toEqualTypeOf<core.SocketAddress>();

// Functions.
expectTypeOf<typeof net.createServer>().toExtend<typeof core.createServer>();
expectTypeOf(net.connect).toExtend<typeof core.connect>();
expectTypeOf(net.createConnection).toExtend<typeof core.createConnection>();
expectTypeOf<Parameters<typeof core.connect>>().toExtend<Parameters<typeof net.connect>>();
expectTypeOf(net.isIP).toEqualTypeOf(core.isIP);
expectTypeOf(net.isIPv4).toEqualTypeOf(core.isIPv4);
expectTypeOf(net.isIPv6).toEqualTypeOf(core.isIPv6);
expectTypeOf(net.getDefaultAutoSelectFamily).toEqualTypeOf(core.getDefaultAutoSelectFamily);
expectTypeOf(net.setDefaultAutoSelectFamily).toEqualTypeOf(core.setDefaultAutoSelectFamily);
expectTypeOf(net.getDefaultAutoSelectFamilyAttemptTimeout).toEqualTypeOf(core.getDefaultAutoSelectFamilyAttemptTimeout);
expectTypeOf(net.setDefaultAutoSelectFamilyAttemptTimeout).toEqualTypeOf(core.setDefaultAutoSelectFamilyAttemptTimeout);

// Classes: what is made or extended.
expectTypeOf(new Socket().write).toBeCallableWith('text', 'utf8', (error) => void error);
expectTypeOf(new net.Socket({ allowHalfOpen: true })).toExtend<core.Socket>();
expectTypeOf(new net.Server({ pauseOnConnect: true })).toExtend<core.Server>();
class Own extends Socket {
  readonly mine = true;
}
expectTypeOf<Own>().toExtend<core.Socket>();

// Options and the other types that go in and out.
expectTypeOf<ours.ServerOpts>().toEqualTypeOf<core.ServerOpts>();
expectTypeOf<ours.ListenOptions>().toEqualTypeOf<core.ListenOptions>();
expectTypeOf<ours.NetConnectOpts>().toEqualTypeOf<core.NetConnectOpts>();
expectTypeOf<ours.TcpSocketConnectOpts>().toEqualTypeOf<core.TcpSocketConnectOpts>();
expectTypeOf<ours.IpcSocketConnectOpts>().toEqualTypeOf<core.IpcSocketConnectOpts>();
expectTypeOf<ours.SocketConstructorOpts>().toEqualTypeOf<core.SocketConstructorOpts>();
expectTypeOf<ours.AddressInfo>().toEqualTypeOf<core.AddressInfo>();
expectTypeOf<ours.OnReadOpts>().toEqualTypeOf<core.OnReadOpts>();
expectTypeOf<ours.LookupFunction>().toEqualTypeOf<core.LookupFunction>();
expectTypeOf<ours.SocketReadyState>().toEqualTypeOf<core.SocketReadyState>();

// The module as a whole stands in for core's, and so do functions typed against either.
declare function takesModule(module: Pick<typeof core, 'connect' | 'createConnection' | 'createServer' | 'isIP'>): void;
takesModule(net);
declare function takesCoreSocket(socket: core.Socket): void;
declare function takesOurSocket(socket: net.Socket): void;
createServer((socket) => takesCoreSocket(socket));
core.createServer((socket) => takesOurSocket(socket));

// Options that core has no name for.
connect({ port: 1, transport: { userTimeout: 30_000, fastOpen: true } }, () => {});
connect({ path: '/run/socket', transport: { sendBufferSize: 4096 } });
net.createConnection({ port: 1, host: '::1', transport: { bindToDevice: 'eth0' } });
// @ts-expect-error: no such option
connect({ port: 1, transport: { userTimeOut: 1 } });
// @ts-expect-error: an option of servers
connect({ port: 1, transport: { deferAccept: 1 } });
// @ts-expect-error: not a string
connect({ port: 1, transport: { userTimeout: '1' } });
createServer({ noDelay: true, transport: { deferAccept: 1, fastOpen: 5 } }, (socket) => takesCoreSocket(socket)).listen(0);
// @ts-expect-error: an option of clients
createServer({ transport: { synCount: 1 } });
new net.Server({ transport: { reusePort: true } });
new net.Socket({ transport: { synCount: 1 } });
// @ts-expect-error: no such option
new net.Socket({ transport: { colour: 1 } });
expectTypeOf<ours.ConnectOptions['transport']>().toEqualTypeOf<ours.TcpClientOptions | undefined>();

// Events.
createServer().on('drop', (ends) => expectTypeOf(ends).toEqualTypeOf<core.DropArgument | undefined>());
connect(1).on('close', (hadError) => expectTypeOf(hadError).toEqualTypeOf<boolean>());
connect(1).on('data', (bytes) => expectTypeOf(bytes).toExtend<Buffer | string>());

expectTypeOf(net.connect).toBeCallableWith({ host: 'localhost', port: 1, noDelay: true });
expectTypeOf(net.createServer).toBeCallableWith({ keepAlive: true }, (socket) => {
  expectTypeOf(socket).toExtend<core.Socket>();
});

// What goes beyond core.
expectTypeOf(ours.sendDescriptors).toBeCallableWith(
  connect('/path'),
  [0, { fd: 1 }, connect('/path')],
  'x',
  (error) => void error,
);
expectTypeOf(ours.receiveDescriptors).toBeCallableWith(connect('/path'), (descriptors, info) => {
  expectTypeOf(descriptors).toEqualTypeOf<number[]>();
  expectTypeOf(info).toEqualTypeOf<ours.DescriptorInfo>();
});
expectTypeOf(ours.peerCredentials(connect('/path'))).toEqualTypeOf<ours.PeerCredentials>();
// @ts-expect-error text is not open
ours.sendDescriptors(connect('/path'), ['0'], 'x');

// @ts-expect-error a port is a number
net.connect({ port: [] });
// @ts-expect-error core has no such option
net.createServer({ nonsense: true });
// @ts-expect-error numbers are not written
connect(1).write(1);
