const HIDDEN = '(left out)'

/** Annotations that repeat a whole object, environment variables included. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/**
 * A copy without what may be secret: values of environment variables (that they are taken from somewhere stays), contents of Secrets, and what only takes
 * space (`managedFields`).
 */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).filter(([name]) => name !== 'managedFields' && name !== LAST_APPLIED)
  const isSecret = (value as { readonly kind?: unknown }).kind === 'Secret'
  return Object.fromEntries(
    fields.map(([name, field]) => {
      if (name === 'env' && Array.isArray(field)) return [name, field.map(variable)]
      if (isSecret && (name === 'data' || name === 'stringData')) return [name, HIDDEN]
      return [name, withoutSecrets(field)]
    }),
  )
}

function variable(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !('value' in given)) return given
  return { ...given, value: HIDDEN }
}
