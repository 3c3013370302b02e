/**
 * Memory that the kernel can be given as it is.
 */
import { Buffer, constants } from 'node:buffer';
import { loadNative } from '../native.ts';
import { getReactor } from '../reactor/index.ts';
import { validateInteger } from '../validate.ts';
import { fileError } from '../errors/system.ts';
import { ENOMEM } from '../errors/errno.ts';

/**
 * Memory for a Buffer of `size` bytes, page-aligned where the native part can be loaded.
 *
 * @param onRing the reactor of this thread is to know it
 */
export function alignedBuffer(size: number, onRing: boolean): Buffer {
  validateInteger(size, 'size', 0, constants.MAX_LENGTH);
  const { binding } = loadNative();
  if (size === 0 || binding === null) return Buffer.alloc(size);
  const memory = (onRing ? getReactor().binding : binding).alignedMemory(size);
  if (memory === null) throw fileError(-ENOMEM, 'mmap');
  return Buffer.from(memory);
}
