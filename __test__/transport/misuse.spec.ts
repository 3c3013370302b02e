// Wrong arguments and use after the end, on io_uring.
import { declareMisuse } from './_misuse.ts';

declareMisuse();
