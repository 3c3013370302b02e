/** Errors of core's sockets as the statuses that handles of the ring have: negative errnos. */
import { constants } from 'node:os';

const { EBADF, ECANCELED, EDESTADDRREQ, EINVAL, EIO, EISCONN, ENOTCONN } = constants.errno;

/** What core has words of its own for. */
const CODES: ReadonlyMap<string, number> = new Map([
  // Whoever was to do it was closed first.
  ['ABORT_ERR', ECANCELED],
  ['ERR_SOCKET_CLOSED', ECANCELED],
  ['ERR_SOCKET_CLOSED_BEFORE_CONNECTION', ECANCELED],
  ['ERR_SOCKET_DGRAM_NOT_RUNNING', ECANCELED],
  ['ERR_STREAM_DESTROYED', ECANCELED],
  ['ERR_STREAM_PREMATURE_CLOSE', ECANCELED],
  ['ERR_STREAM_WRITE_AFTER_END', ECANCELED],
  ['ERR_INVALID_HANDLE_TYPE', EBADF],
  ['ERR_SOCKET_BAD_PORT', EINVAL],
  ['ERR_SOCKET_DGRAM_IS_CONNECTED', EISCONN],
  ['ERR_SOCKET_DGRAM_NOT_CONNECTED', ENOTCONN],
  ['ERR_MISSING_ARGS', EDESTADDRREQ],
]);

const ERRNOS: Readonly<Record<string, number>> = constants.errno;

/** The status of an error; zero of none. What nobody knows is `EIO`, so that it ends what it befalls instead of passing for its close. */
export function statusOf(error: unknown): number {
  if (error === undefined || error === null) return 0;
  const { errno, code = '' } = error as { readonly errno?: unknown; readonly code?: string };
  if (typeof errno === 'number' && errno < 0) return errno;
  // Some of core's own making have the name alone, as `EPIPE` of a write behind the peer's end.
  return -(ERRNOS[code] ?? CODES.get(code) ?? EIO);
}

/** The status of what core throws where it fails. */
export function attempt(work: () => unknown): number {
  try {
    work();
    return 0;
  } catch (error) {
    return statusOf(error);
  }
}
