// The same types through `require('iouring-transport')`.
import { expectTypeOf } from 'expect-type';
import transport = require('iouring-transport');

expectTypeOf(transport.support).returns.toEqualTypeOf<transport.Support>();
expectTypeOf<InstanceType<typeof transport.IouringUnavailableError>>().toEqualTypeOf<transport.IouringUnavailableError>();
