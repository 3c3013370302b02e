// The types of `iouring-transport/fs` are core's, with handles that can do more.
import core from 'node:fs/promises';
import { expectTypeOf } from 'expect-type';
import fs, { type FileHandle, alignedBuffer, open, readFile, sendFile, writeFileAtomic } from 'iouring-transport/fs';

expectTypeOf(fs).toExtend<Omit<typeof core, 'default'>>();
expectTypeOf(readFile).toEqualTypeOf(core.readFile);
expectTypeOf(open('x')).toExtend<Promise<core.FileHandle>>();
expectTypeOf<FileHandle>().toExtend<core.FileHandle>();
expectTypeOf<Parameters<FileHandle['read']>>().toEqualTypeOf<Parameters<core.FileHandle['read']>>();
expectTypeOf(writeFileAtomic('x', 'y')).toEqualTypeOf<Promise<void>>();
expectTypeOf(writeFileAtomic).toBeCallableWith(new URL('file:///x'), Buffer.alloc(1), { mode: 0o600 });
expectTypeOf(fs.getxattr(new URL('file:///x'), 'user.a')).toEqualTypeOf<Promise<Buffer>>();
expectTypeOf(fs.setxattr).toBeCallableWith(Buffer.from('x'), 'user.a', new DataView(new ArrayBuffer(1)), { create: true });
expectTypeOf<FileHandle['getxattr']>().returns.toEqualTypeOf<Promise<Buffer>>();
expectTypeOf<FileHandle['setxattr']>().toBeCallableWith('user.a', 'value', { replace: true });
expectTypeOf<FileHandle['readMany']>().returns.toEqualTypeOf<Promise<Int32Array>>();
declare const handle: FileHandle;
expectTypeOf(sendFile(handle, process.stdout)).toEqualTypeOf<Promise<number>>();
expectTypeOf(alignedBuffer).toEqualTypeOf<(size: number) => Buffer>();
