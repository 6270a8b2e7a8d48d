/** Holds the scope of a request while it is inside a proxy: the host part of its authority, or ANY_HOST. Never sent on. */
export const SCOPE_HEADER = 'x-weft-scope'
