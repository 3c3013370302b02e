/** Loaded before a server: its ring spins before the loop sleeps. */
import { configure } from 'iouring-transport';

configure({ busyPoll: 50 });
