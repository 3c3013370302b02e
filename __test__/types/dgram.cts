// The same types through `require('iouring-transport/dgram')`.
import core = require('node:dgram');
import dgram = require('iouring-transport/dgram');
import { expectTypeOf } from 'expect-type';

expectTypeOf(dgram.createSocket('udp4')).toExtend<core.Socket>();
