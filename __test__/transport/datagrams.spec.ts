// Datagram sockets on io_uring.
import { declareDatagrams } from './_datagrams.ts';

declareDatagrams();
