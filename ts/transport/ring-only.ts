/** What only the ring can do. */
import { IouringUnavailableError } from '../errors/iouring.ts';
import { support } from '../support.ts';

/** The error of it on core. */
export function unavailableOnCore(): IouringUnavailableError {
  const {
    reason = 'ERR_IOURING_PERMISSION_MODEL',
    message = "Node's permission model guards core's functions alone",
    errno,
  } = support();
  return new IouringUnavailableError(reason, message, errno);
}
