/** The few error numbers that are made up or looked for here; all others come from the kernel. Statuses are negative ones. */
import os from 'node:os';

export const {
  EAGAIN,
  EBADF,
  EBUSY,
  EADDRINUSE,
  ECANCELED,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EISCONN,
  EMFILE,
  ENFILE,
  ENOMEM,
  ENOTCONN,
} = os.constants.errno;
