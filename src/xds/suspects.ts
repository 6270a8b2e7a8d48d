/**
 * How to send again what was refused together, so that the good go and the bad are found: the names of each group go in a response of their own.
 * Envoy says in words what is wrong, usually with the resource's name; where it does not, halves narrow it down. A resource counts as
 * bad only once it was refused alone, since an error may also name a resource that is not at fault.
 */
export function groupsToTry(names: readonly string[], error: string): readonly (readonly string[])[] {
  const suspects = names.filter((name) => mentions(error, name))
  if (suspects.length > 0 && suspects.length < names.length) {
    const others = names.filter((name) => !suspects.includes(name))
    return [others, ...suspects.map((name) => [name])]
  }
  const half = Math.ceil(names.length / 2)
  return [names.slice(0, half), names.slice(half)].filter((group) => group.length > 0)
}

/** Which of these an error is about: those that it names, or all where it names none. */
export function suspectsIn(names: readonly string[], error: string): ReadonlySet<string> {
  const suspects = names.filter((name) => mentions(error, name))
  return new Set(suspects.length > 0 ? suspects : names)
}

/** Whether the text names it, not merely something whose name contains it. */
function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = text.slice(Math.max(0, at - 1), at)
    const after = text.slice(at + name.length, at + name.length + 2)
    // A dot ends a sentence unless a word goes on behind it.
    if (!/[\w|.-]/.test(before) && !/^([\w|-]|\.\w)/.test(after)) return true
  }
  return false
}
