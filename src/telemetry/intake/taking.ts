/** What became of something that came in. */
export type Taking =
  | {
      readonly outcome: 'taken'
      /** How many things in it are not kept. */
      readonly leftOut: number
    }
  /** It is not what it says it is. */
  | { readonly outcome: 'malformed' }
  /** It came from an address that no pod has. */
  | { readonly outcome: 'stranger' }
  /** More came than can be taken now: later there may be room. */
  | { readonly outcome: 'full' }
