import { spinning } from '../lib/spinning.mjs';
import transport from './transport.mjs';

export default spinning(transport);
