// The types of `import … from 'iouring-transport'`.
import { expectTypeOf } from 'expect-type';
import whole, { support, type IouringUnavailableError, type Backend, type Support } from 'iouring-transport';

expectTypeOf(support).toEqualTypeOf<() => Support>();
expectTypeOf(whole.support).toEqualTypeOf(support);
expectTypeOf<Support['backend']>().toEqualTypeOf<Backend>();
expectTypeOf(support().available).toEqualTypeOf<boolean>();
expectTypeOf(support().errno).toEqualTypeOf<number | undefined>();
expectTypeOf<IouringUnavailableError>().toExtend<Error>();
expectTypeOf<IouringUnavailableError['code']>().toEqualTypeOf<'ERR_IOURING_UNAVAILABLE'>();
