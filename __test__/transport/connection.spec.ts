// Connections and payloads on io_uring.
import { declareCases } from './_cases.ts';

declareCases();
