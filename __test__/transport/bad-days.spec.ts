// Bad days on io_uring.
import { declareBadDays } from './_bad-days.ts';

declareBadDays();
