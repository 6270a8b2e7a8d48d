// Bookinfo in a mesh under test.
import { join } from 'node:path'
import type { LoadOptions } from './load.ts'
import { checkout } from './mesh.ts'

/** Our own YAML of Bookinfo: services and Deployments, the way in, and subsets. */
export const BOOKINFO = ['bookinfo.yaml', 'gateway.yaml', 'destination-rules.yaml'].map((name) =>
  join(checkout, 'samples/bookinfo', name),
)

export const PAGE = '/productpage'

/** Which version of reviews a page shows; undefined where it shows an apology instead. */
export function reviewsVersion(page: string): string | undefined {
  return /reviews-version">(v\d)/.exec(page)?.[1]
}

/** A page counts only when everything is on it: productpage answers 200 also when it has to apologize for a part. */
export const wholePage: LoadOptions = {
  check: (body) => {
    const apology = /[^.>]*(unavailable|Error fetching)[^.<]*/.exec(body)?.[0]
    if (apology) return apology.trim()
    return reviewsVersion(body) ? undefined : 'the page shows no reviews'
  },
}
