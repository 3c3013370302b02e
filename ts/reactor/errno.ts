/** The few error numbers that this layer makes up itself; all others come from the kernel. */
import os from 'node:os';

export const { EBADF } = os.constants.errno;
