// Pools.
import { declarePools } from './_pool.ts';

declarePools();
