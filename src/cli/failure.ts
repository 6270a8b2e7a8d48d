/** Something that a command cannot do, told to its user on one line: what is wrong, and what to do about it. */
export class Failure extends Error {
  /** @param remedy an imperative sentence without a full stop, as in Message */
  constructor(problem: string, remedy: string) {
    super(`${problem}; ${remedy}`)
  }
}
