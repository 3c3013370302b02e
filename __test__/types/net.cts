// The same types through `require('iouring-transport/net')`.
import core = require('node:net');
import net = require('iouring-transport/net');
import { expectTypeOf } from 'expect-type';

const socket: net.Socket = net.connect(1);
expectTypeOf(socket).toExtend<core.Socket>();
expectTypeOf(net.createServer()).toExtend<core.Server>();
