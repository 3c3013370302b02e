// Options are set on the descriptor itself, whenever they were given; read back from the kernel.
import type core from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { needs } from '../_needs.ts';
import { SocketOption } from '../../ts/reactor/protocol.ts';
import { nothingLeft, onRing, pair } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const ring = needs('io_uring', onRing);

/** What getsockopt(2) says of a socket's descriptor. */
function optionOf(socket: core.Socket, option: SocketOption): number | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'link')!;
  const link = (socket as unknown as Record<symbol, { handle: { getOption(option: SocketOption): number | undefined } }>)[key];
  return link.handle.getOption(option);
}

function hasKeepAlive(t: ExecutionContext, socket: core.Socket, delay: number): void {
  t.is(optionOf(socket, SocketOption.KeepAlive), 1);
  t.is(optionOf(socket, SocketOption.KeepIdle), delay);
}

ring('setNoDelay', async (t) => {
  const { client } = await pair();
  t.is(optionOf(client, SocketOption.NoDelay), 0);
  client.setNoDelay();
  t.is(optionOf(client, SocketOption.NoDelay), 1);
  client.setNoDelay(false);
  t.is(optionOf(client, SocketOption.NoDelay), 0);
});

ring('setKeepAlive, with its delay in milliseconds', async (t) => {
  const { client } = await pair();
  client.setKeepAlive(true, 77_900);
  hasKeepAlive(t, client, 77);
  client.setKeepAlive(false);
  t.is(optionOf(client, SocketOption.KeepAlive), 0);
});

ring('options of connect() and of the server', async (t) => {
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 55_000 };
  const { client, peer } = await pair(options, options);
  for (const socket of [client, peer]) {
    t.is(optionOf(socket, SocketOption.NoDelay), 1);
    hasKeepAlive(t, socket, 55);
  }
});

ring('what is asked for before there is a descriptor is set once there is one', async (t) => {
  const net = (await import('iouring-transport/net')).default;
  const { server } = await pair();
  const { port } = server.address() as core.AddressInfo;
  const early = new net.Socket();
  early.setNoDelay(true).setKeepAlive(true, 33_000);
  await new Promise<void>((resolve) => early.connect(port, '127.0.0.1', resolve));
  t.is(optionOf(early, SocketOption.NoDelay), 1);
  hasKeepAlive(t, early, 33);
  early.destroy();
});

ring('type of service', async (t) => {
  const { client } = await pair({}, { typeOfService: 0x10 } as object);
  const socket = client as core.Socket & { setTypeOfService(value: number): void; getTypeOfService(): number };
  t.is(optionOf(socket, SocketOption.TypeOfService), 0x10);
  socket.setTypeOfService(0x08);
  t.is(optionOf(socket, SocketOption.TypeOfService), 0x08);
  t.is(socket.getTypeOfService(), 0x08);
});
