/**
 * Which part of a field Weft acts upon: `true` all of it; a list of texts only these values, in any case; an object only these fields,
 * of each item where the field is a list, under any key where it is `*`.
 */
export type Support = true | readonly string[] | { readonly [field: string]: Support }
