/** Whether a path of an AuthorizationPolicy has the operators `{*}` (one segment) or `{**}` (any number of them). */
export function isPathTemplate(path: string): boolean {
  return path.includes('{*}') || path.includes('{**}')
}

/** The same for Envoy's URI templates. @returns undefined where it is no template that Istio takes */
export function pathTemplate(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined
  const segments = path.slice(1).split('/')
  const any = segments.indexOf('{**}')
  // Whatever stands after it must not be another, nor may an operator be a part of a segment.
  if (any >= 0 && segments.indexOf('{**}', any + 1) >= 0) return undefined
  const made: string[] = []
  for (const segment of segments) {
    if (segment === '{*}') made.push('*')
    else if (segment === '{**}') made.push('**')
    else if (/[{}*]/.test(segment)) return undefined
    else made.push(segment)
  }
  return `/${made.join('/')}`
}
