// Connections and sockets made of each other, on io_uring.
import { declareSockets } from './_sockets.ts';

declareSockets();
